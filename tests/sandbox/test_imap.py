"""The commands of IMAP that the gateway uses, asked by imapclient."""

import imaplib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import Quirks

ADDRESS = "shop@acme.example"
MAIL = b"From: ann@example.net\r\nSubject: Hello\r\nTo: shop@acme.example\r\n\r\nWhere?\r\n"


@pytest.fixture
def mailboxes(serve: Any, loop: Any) -> MailboxServer:
    server: MailboxServer = serve(MailboxServer())
    loop.call(server.add_account, ADDRESS, "p")
    for _ in range(3):
        loop.call(server.deliver, ADDRESS, MAIL)
    return server


@pytest.fixture
def client(mailboxes: MailboxServer) -> Iterator[Any]:
    client: Any = IMAPClient("127.0.0.1", mailboxes.port, ssl=False, timeout=30)
    client.login(ADDRESS, "p")
    client.select_folder("INBOX")
    yield client
    client.shutdown()


def test_a_body_is_fetched_in_pieces(client: Any) -> None:
    first = client.fetch([1], ["BODY.PEEK[]<0.10>"])[1]
    rest = client.fetch([1], ["BODY.PEEK[]<10.10000>"])[1]
    beyond = client.fetch([1], ["BODY.PEEK[]<10000.10>"])[1]
    assert first[b"BODY[]<0>"] + rest[b"BODY[]<10>"] == MAIL
    assert beyond[b"BODY[]<10000>"] == b""


def test_a_peek_leaves_a_mail_unseen_and_a_fetch_does_not(client: Any) -> None:
    client.fetch([1], ["BODY.PEEK[]"])
    assert client.get_flags([1]) == {1: ()}
    assert client.fetch([1], ["BODY[]"])[1][b"BODY[]"] == MAIL
    assert client.get_flags([1]) == {1: (b"\\Seen",)}


def test_examine_changes_nothing(client: Any) -> None:
    client.select_folder("INBOX", readonly=True)
    client.fetch([1], ["BODY[]"])
    assert client.get_flags([1]) == {1: ()}
    with pytest.raises(IMAPClientError):
        client.set_flags([1], [b"\\Seen"])


def test_header_and_text_are_fetched_apart(client: Any) -> None:
    found = client.fetch([1], ["BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]"])[1]
    assert found[b"BODY[HEADER]"] + found[b"BODY[TEXT]"] == MAIL
    found = client.fetch([1], ["BODY.PEEK[HEADER.FIELDS (SUBJECT)]"])[1]
    assert found[b"BODY[HEADER.FIELDS (SUBJECT)]"] == b"Subject: Hello\r\n\r\n"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("2:*", 2), ("100:*", 1), ("1:4294967295", 3), ("3,1", 2), ("7", 0)],
)
def test_ranges_of_uids_are_fetched(mailboxes: MailboxServer, wanted: str, found: int) -> None:
    """RFC 9051 §6.4.9: a range to the star names the last mail at least."""
    with imaplib.IMAP4("127.0.0.1", mailboxes.port, timeout=30) as client:
        client.login(ADDRESS, "p")
        client.select("INBOX")
        lines = client.uid("FETCH", wanted, "(FLAGS)")[1]
    assert len([line for line in lines if line]) == found


def test_flags_are_added_removed_and_set(client: Any) -> None:
    client.add_flags([1], [b"\\Seen", b"$Gateway"])
    assert client.remove_flags([1], [b"\\Seen"])[1] == (b"$Gateway",)
    assert client.set_flags([1], [b"\\Flagged"])[1] == (b"\\Flagged",)


def test_a_moved_mail_is_in_the_other_folder_alone(client: Any) -> None:
    client.create_folder("Done")
    client.move([2], "Done")
    assert client.search() == [1, 3]
    assert client.select_folder("Done")[b"EXISTS"] == 1


def test_a_copied_mail_keeps_flags_and_date(client: Any) -> None:
    client.add_flags([1], [b"\\Flagged"])
    client.copy([1], "Junk")
    date = client.fetch([1], ["INTERNALDATE"])[1][b"INTERNALDATE"]
    client.select_folder("Junk")
    found = client.fetch([1], ["INTERNALDATE", "FLAGS"])[1]
    assert (found[b"INTERNALDATE"], found[b"FLAGS"]) == (date, (b"\\Flagged",))


@pytest.mark.parametrize("command", ["copy", "move"])
def test_a_missing_folder_is_refused(client: Any, command: str) -> None:
    with pytest.raises(IMAPClientError, match="TRYCREATE"):
        getattr(client, command)([1], "Nowhere")


def test_an_expunged_mail_is_gone_and_others_are_told(
    client: Any, mailboxes: MailboxServer
) -> None:
    other: Any = IMAPClient("127.0.0.1", mailboxes.port, ssl=False, timeout=30)
    other.login(ADDRESS, "p")
    other.select_folder("INBOX")
    other.idle()
    client.delete_messages([2])
    client.expunge()
    assert other.idle_check(timeout=30) == [(2, b"EXPUNGE")]
    assert client.search() == [1, 3]
    other.shutdown()


def test_an_appended_mail_lies_in_its_folder(client: Any) -> None:
    at = datetime(2026, 2, 1, 10, 0, tzinfo=UTC)
    client.append("Sent", MAIL, flags=[b"\\Seen"], msg_time=at)
    client.select_folder("Sent")
    found = client.fetch([1], ["BODY.PEEK[]", "FLAGS", "INTERNALDATE"])[1]
    assert (found[b"BODY[]"], found[b"FLAGS"]) == (MAIL, (b"\\Seen",))
    assert found[b"INTERNALDATE"].astimezone(UTC) == at


def test_an_append_to_a_missing_folder_is_refused(client: Any) -> None:
    with pytest.raises(IMAPClientError, match="TRYCREATE"):
        client.append("Nowhere", MAIL)


def test_status_counts(client: Any) -> None:
    status = client.folder_status("INBOX", ["MESSAGES", "UIDNEXT", "UNSEEN", "UIDVALIDITY"])
    assert (status[b"MESSAGES"], status[b"UIDNEXT"], status[b"UNSEEN"]) == (3, 4, 3)
    assert status[b"UIDVALIDITY"] > 0


def test_folders_are_listed_with_their_use(client: Any) -> None:
    listed = {name: flags for flags, _, name in client.list_folders()}
    assert listed["INBOX"] == (b"\\HasNoChildren",)
    assert listed["Junk"] == (b"\\HasNoChildren", b"\\Junk")
    assert [name for _, _, name in client.list_folders(pattern="S*")] == ["Sent"]


def test_structure_is_refused_instead_of_invented(client: Any) -> None:
    for wanted in ("BODYSTRUCTURE", "ENVELOPE", "BODY.PEEK[1]"):
        with pytest.raises(IMAPClientError, match="CANNOT"):
            client.fetch([1], [wanted])
    assert client.noop()


def test_a_folder_that_is_not_there_cannot_be_selected(client: Any) -> None:
    with pytest.raises(IMAPClientError, match="No such mailbox"):
        client.select_folder("Nowhere")


def test_searches_by_uid_and_flag(client: Any) -> None:
    client.add_flags([1], [b"\\Seen"])
    assert client.search(["UID", "2:*"]) == [2, 3]
    assert client.search("UNSEEN") == [2, 3]
    assert client.search(["HEADER", "Subject", "nothing"]) == []


def test_something_else_is_said_to_a_command_where_that_is_wanted(
    mailboxes: MailboxServer,
) -> None:
    mailboxes.account(ADDRESS).quirks = Quirks(instead={"FETCH": b"* 1 FETCH (UID {90}\r\n"})
    with imaplib.IMAP4("127.0.0.1", mailboxes.port, timeout=30) as client:
        client.login(ADDRESS, "p")
        client.select("INBOX")
        client.send(b"x UID FETCH 1 (FLAGS)\r\n")
        assert client.readline() == b"* 1 FETCH (UID {90}\r\n"
        assert client.noop()[0] == "OK"
