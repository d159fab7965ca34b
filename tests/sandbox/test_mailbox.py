"""The sandbox's IMAP server, asked by imapclient."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from gateway.mail.tenant import Security
from gateway.net.tls import Certificate
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import NETEASE, Quirks

ADDRESS = "shop@163.example"
MAIL = b"From: ann@example.net\r\nSubject: Hello\r\n\r\nWhere is my order?\r\n"


@pytest.fixture
def mailboxes(serve: Any, loop: Any) -> MailboxServer:
    server: MailboxServer = serve(MailboxServer())
    loop.call(server.add_account, ADDRESS, "code")
    return server


@contextmanager
def connected(server: MailboxServer, *, login: bool = True) -> Iterator[Any]:
    client: Any = IMAPClient("127.0.0.1", server.port, ssl=False, timeout=30)
    try:
        if login:
            client.login(ADDRESS, "code")
        yield client
    finally:
        client.shutdown()


def test_a_delivered_mail_is_fetched_whole_by_uid(mailboxes: MailboxServer, loop: Any) -> None:
    uid = loop.call(mailboxes.deliver, ADDRESS, MAIL)
    with connected(mailboxes) as client:
        selected = client.select_folder("INBOX", readonly=True)
        assert (selected[b"EXISTS"], selected[b"UIDNEXT"]) == (1, uid + 1)
        found = client.fetch([uid], ["BODY.PEEK[]", "RFC822.SIZE", "FLAGS", "INTERNALDATE"])
    assert found[uid][b"BODY[]"] == MAIL
    assert found[uid][b"RFC822.SIZE"] == len(MAIL)
    assert found[uid][b"FLAGS"] == ()
    assert found[uid][b"INTERNALDATE"].year >= 2026


def test_mail_to_a_detail_of_an_address_comes_to_it(
    mailboxes: MailboxServer, loop: Any
) -> None:
    assert mailboxes.has_account("shop+x@163.example")
    assert not mailboxes.has_account("other+x@163.example")
    loop.call(mailboxes.deliver, "Shop+x@163.example", MAIL)
    assert len(mailboxes.folder(ADDRESS).letters) == 1


def test_an_idle_client_hears_of_new_mail(mailboxes: MailboxServer, loop: Any) -> None:
    with connected(mailboxes) as client:
        client.select_folder("INBOX")
        client.idle()
        loop.call(mailboxes.deliver, ADDRESS, MAIL)
        assert client.idle_check(timeout=30) == [(1, b"EXISTS")]
        client.idle_done()
        assert client.search() == [1]


def test_tls_from_the_first_byte(
    serve: Any, loop: Any, certificate: Certificate, trust: ssl.SSLContext
) -> None:
    server = serve(MailboxServer(security=Security.TLS, certificate=certificate))
    loop.call(server.add_account, ADDRESS, "code")
    client: Any = IMAPClient("localhost", server.port, ssl_context=trust, timeout=30)
    client.login(ADDRESS, "code")
    client.select_folder("INBOX")
    client.idle()
    loop.call(server.deliver, ADDRESS, MAIL)
    assert client.idle_check(timeout=30) == [(1, b"EXISTS")]
    client.shutdown()


def test_starttls_comes_before_login(
    serve: Any, loop: Any, certificate: Certificate, trust: ssl.SSLContext
) -> None:
    server = serve(MailboxServer(security=Security.STARTTLS, certificate=certificate))
    loop.call(server.add_account, ADDRESS, "code")
    client: Any = IMAPClient("localhost", server.port, ssl=False, timeout=30)
    with pytest.raises(LoginError, match="PRIVACYREQUIRED"):
        client.login(ADDRESS, "code")
    client.starttls(trust)
    client.login(ADDRESS, "code")
    client.shutdown()


def test_netease_refuses_select_before_id(mailboxes: MailboxServer, loop: Any) -> None:
    mailboxes.quirks = NETEASE
    with connected(mailboxes) as client:
        assert client.folder_exists("INBOX")
        with pytest.raises(
            IMAPClientError, match=r"SELECT Unsafe Login\. Please contact kefu@188"
        ):
            client.select_folder("INBOX")
        client.id_({"name": "gateway", "version": "1"})
        assert client.select_folder("INBOX")[b"EXISTS"] == 0
    assert list(mailboxes.clients) == ['("name" "gateway" "version" "1")']


def test_an_empty_id_does_not_help(mailboxes: MailboxServer) -> None:
    mailboxes.quirks = NETEASE
    with connected(mailboxes) as client:
        client.id_({})
        with pytest.raises(IMAPClientError, match="Unsafe Login"):
            client.select_folder("INBOX")


def test_without_idle_it_is_neither_offered_nor_done(mailboxes: MailboxServer) -> None:
    with connected(mailboxes) as client:
        assert client.has_capability("IDLE")
    mailboxes.quirks = Quirks(no_idle=True)
    with connected(mailboxes) as client:
        client.select_folder("INBOX")
        assert not client.has_capability("IDLE")
        with pytest.raises(IMAPClientError):
            client.idle()


@pytest.mark.parametrize(
    ("quirks", "text"),
    [
        (Quirks(refuse_login="[ALERT] Service is not open"), "Service is not open"),
        (Quirks(code_expired=True), "Invalid credentials"),
    ],
)
def test_a_login_is_refused(
    mailboxes: MailboxServer, loop: Any, quirks: Quirks, text: str
) -> None:
    loop.call(mailboxes.account, ADDRESS).quirks = quirks
    with connected(mailboxes, login=False) as client, pytest.raises(LoginError, match=text):
        client.login(ADDRESS, "code")
    assert list(mailboxes.logins) == [ADDRESS]


def test_a_wrong_password_and_an_unknown_user_read_the_same(mailboxes: MailboxServer) -> None:
    with connected(mailboxes, login=False) as client:
        for user, password in ((ADDRESS, "old"), ("nobody@163.example", "code")):
            with pytest.raises(LoginError, match="Invalid credentials"):
                client.login(user, password)


def test_an_open_idle_outlives_its_code(mailboxes: MailboxServer, loop: Any) -> None:
    with connected(mailboxes) as client:
        client.select_folder("INBOX")
        client.idle()
        loop.call(mailboxes.account, ADDRESS).quirks = Quirks(code_expired=True)
        loop.call(mailboxes.deliver, ADDRESS, MAIL)
        assert client.idle_check(timeout=30) == [(1, b"EXISTS")]


def test_a_new_uidvalidity_renumbers_and_ends_sessions(
    mailboxes: MailboxServer, loop: Any
) -> None:
    before = loop.call(mailboxes.deliver, ADDRESS, MAIL)
    with connected(mailboxes) as client:
        old = client.select_folder("INBOX")[b"UIDVALIDITY"]
        loop.call(mailboxes.new_uidvalidity, ADDRESS)
        with pytest.raises((IMAPClientError, OSError)):
            client.search()
    with connected(mailboxes) as client:
        assert client.select_folder("INBOX")[b"UIDVALIDITY"] > old
        (uid,) = client.search()
        assert uid > before
        assert client.fetch([uid], ["BODY.PEEK[]"])[uid][b"BODY[]"] == MAIL


def test_mail_for_nobody_is_refused_with_a_sentence(
    mailboxes: MailboxServer, loop: Any
) -> None:
    with pytest.raises(LookupError, match=r"the sandbox has no account x@example\.net"):
        loop.call(mailboxes.deliver, "x@example.net", MAIL)


def test_stopping_ends_open_sessions(loop: Any) -> None:
    server = MailboxServer()
    loop.run(server.start())
    client: Any = IMAPClient("127.0.0.1", server.port, ssl=False, timeout=30)
    loop.run(server.stop())
    with pytest.raises((IMAPClientError, OSError)):
        client.noop()
    assert not server.sessions
