from gateway.sandbox.accounts import Account


def test_inbox_is_found_in_any_case() -> None:
    account = Account("ann@example.net", "p")
    assert account.find("inbox") is account.find("INBOX") is not None
    assert account.find("sent") is None


def test_a_folder_is_made_once() -> None:
    account = Account("ann@example.net", "p")
    assert account.create("Done")
    assert not account.create("Done")


def test_wildcards_choose_folders() -> None:
    account = Account("ann@example.net", "p")
    assert [name for name, _ in account.listMailboxes("", "*")] == ["INBOX", "Sent", "Junk"]
    assert [name for name, _ in account.listMailboxes("", "S%")] == ["Sent"]


def test_no_password_stands_in_its_repr() -> None:
    assert "hunter2" not in repr(Account("ann@example.net", "hunter2"))
