"""Access tokens at the sandbox's IMAP and SMTP servers, by our own clients and by others'."""

from __future__ import annotations

import asyncio
import smtplib
from base64 import b64encode
from typing import Any

import pytest
from imapclient import IMAPClient

from gateway.mail.tenant import Security
from gateway.net.imap import Endpoint, ImapPools, ImapRefused, ImapSession
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import MICROSOFT
from gateway.sandbox.upstream import Upstream, UpstreamSettings
from gateway.sandbox.xoauth2 import parse_xoauth2

BOX, TOKEN = "shop@acme.example", "access-1"


def opens(address: str, token: str) -> bool:
    return (address, token) == (BOX, TOKEN)


@pytest.fixture
def mailboxes(serve: Any, loop: Any) -> MailboxServer:
    server: MailboxServer = serve(MailboxServer(opens=opens))
    server.quirks = MICROSOFT
    loop.call(server.add_account, BOX, "p")
    return server


def signed_in(port: int, secret: str, *, oauth2: bool) -> list[ImapRefused | None]:
    """Sign in twice on one connection: the second time by the good token."""

    async def work() -> list[ImapRefused | None]:
        pools = ImapPools.start(sign_in=1, work=1)
        endpoint = Endpoint(host="127.0.0.1", port=port, security=Security.NONE)
        session = await ImapSession.connect(endpoint, pools)
        assert isinstance(session, ImapSession)
        said = [
            await session.login(BOX, secret, oauth2=oauth2),
            await session.login(BOX, TOKEN, oauth2=True),
        ]
        assert not isinstance(await session.select("INBOX"), ImapRefused)
        await session.logout()
        pools.close()
        return said

    return asyncio.run(work())


def test_a_refused_token_is_told_in_the_servers_words_and_may_be_followed_by_another(
    mailboxes: MailboxServer,
) -> None:
    refused = ImapRefused("imap-login", "NO", "AUTHENTICATE failed.")
    assert signed_in(mailboxes.port, "access-0", oauth2=True) == [refused, None]


def test_a_password_signs_nobody_in_where_passwords_are_over(
    mailboxes: MailboxServer,
) -> None:
    refused = ImapRefused("imap-login", "NO", "LOGIN failed.")
    assert signed_in(mailboxes.port, "p", oauth2=False) == [refused, None]


def test_another_client_signs_in_by_a_token(mailboxes: MailboxServer) -> None:
    client: Any = IMAPClient("127.0.0.1", mailboxes.port, ssl=False, timeout=30)
    assert client.has_capability("AUTH=XOAUTH2")
    client.oauth2_login(BOX, TOKEN)
    client.shutdown()


def test_mail_is_submitted_by_a_token(serve: Any) -> None:
    upstream: Upstream = serve(Upstream(UpstreamSettings(accounts={}, opens=opens)))
    with smtplib.SMTP("127.0.0.1", upstream.port, timeout=30) as client:
        client.ehlo()
        assert "XOAUTH2" in client.esmtp_features["auth"]
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.auth("XOAUTH2", lambda why=None: "" if why else said("access-0"))
        client.auth("XOAUTH2", lambda why=None: "" if why else said(TOKEN))
        client.sendmail(BOX, ["b@example.net"], b"Subject: Hello\r\n\r\nHello\r\n")
    (captured,) = upstream.captured
    assert captured.user == BOX


def said(token: str) -> str:
    return f"user={BOX}\1auth=Bearer {token}\1\1"


def test_what_is_not_of_that_form_is_nothing() -> None:
    assert parse_xoauth2(b64encode(said("t").encode())) == (BOX, "t")
    for wrong in (b"?", b64encode(b"user=a"), b64encode(b"\xff"), b""):
        assert parse_xoauth2(wrong) is None
