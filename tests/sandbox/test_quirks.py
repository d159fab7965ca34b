from dataclasses import replace

from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import NETEASE, Quirks


def test_an_account_of_its_own_kind_differs_from_its_provider() -> None:
    server = MailboxServer()
    server.quirks = NETEASE
    ann, bob = (server.add_account(f"{name}@163.example", "p") for name in ("ann", "bob"))
    bob.quirks = replace(NETEASE, code_expired=True)
    assert server.sign_in("ann@163.example", "p") is ann
    assert server.sign_in("bob@163.example", "p") == "LOGIN Login error or password error"


def test_by_default_nothing_is_odd() -> None:
    assert MailboxServer().quirks_of(None) == Quirks()
