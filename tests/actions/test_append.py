from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.actions.append import Appender, Shelf
from gateway.config import RouteSettings
from gateway.mail.address import parse_address
from gateway.mail.delivery import (
    Batch,
    Decision,
    Delivery,
    Kind,
    Lane,
    LaneKind,
    Result,
)
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.message import Edit
from gateway.mail.tenant import Security
from gateway.net.imap import Endpoint, ImapPools
from gateway.sandbox.mailbox import MailboxServer
from tests.mailbox.world import run

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CONTENT = b"From: ann@example.net\r\nMessage-ID: <1@example.net>\r\n\r\nHello\r\n"
DESK = "desk@desk.example"
TO = Recipient(parse_address("support@acme.example"))


def batch(*, attempts: int = 0, sendable_seconds: float = 0.0, message: str = "M1") -> Batch:
    delivery = Delivery(
        number=1, recipient=TO, attempts=attempts, sendable_seconds=sendable_seconds
    )
    return Batch(
        message=message,
        lane=Lane("acme", LaneKind.ROUTE, "desk"),
        kind=Kind.FORWARD,
        envelope=Envelope(return_path=None, recipients=(TO,)),
        content=CONTENT,
        edits=(Edit("X-Gateway-Id", message),),
        message_id="<1@example.net>",
        header_from="ann@example.net",
        origin=None,
        accepted_at=NOW,
        deliveries=(delivery,),
        token="t",
        lease_until=NOW,
    )


async def delivered(
    server: MailboxServer, work: Batch, *, secret: str = "code", folder: str = "INBOX"
) -> Result:
    pools = ImapPools.start(sign_in=1, work=1)
    endpoint = Endpoint(host="127.0.0.1", port=server.port, security=Security.NONE)
    shelf = Shelf(endpoint=endpoint, username=DESK, secret=secret, folder=folder)
    try:
        appender = Appender(pools=pools, settings=RouteSettings())
        (result,) = await appender.deliver(work, shelf, now=NOW)
    finally:
        pools.close()
    return result


async def opened() -> MailboxServer:
    server = MailboxServer()
    await server.start()
    server.add_account(DESK, "code")
    return server


def test_a_message_is_appended_with_what_the_helpdesk_needs_to_know() -> None:
    async def work() -> None:
        server = await opened()
        result = await delivered(server, batch())
        assert result.verdict.decision is Decision.DELIVERED
        (letter,) = server.folder(DESK).letters
        assert letter.content == b"X-Gateway-Id: M1\r\n" + CONTENT
        await server.stop()

    run(work)


def test_a_repeated_attempt_finds_what_is_there_already() -> None:
    async def work() -> None:
        server = await opened()
        await delivered(server, batch())
        again = await delivered(server, batch(attempts=1))
        assert again.verdict.decision is Decision.DELIVERED
        assert len(server.folder(DESK).letters) == 1
        # a form at a shop may write one Message-ID into every mail
        await delivered(server, batch(attempts=1, message="M2"))
        assert len(server.folder(DESK).letters) == 2
        await server.stop()

    run(work)


@pytest.mark.parametrize(("secret", "folder"), [("wrong", "INBOX"), ("code", "Nowhere")])
def test_what_is_refused_waits_and_is_set_aside_after_days(secret: str, folder: str) -> None:
    async def work() -> None:
        server = await opened()
        first = await delivered(server, batch(), secret=secret, folder=folder)
        assert first.verdict.decision is Decision.DEFER
        assert first.next_attempt_at == NOW + RouteSettings().retry_waits[0]
        late = batch(attempts=9, sendable_seconds=timedelta(days=5).total_seconds())
        last = await delivered(server, late, secret=secret, folder=folder)
        assert last.verdict.decision is Decision.SET_ASIDE
        assert last.verdict.fix
        assert secret not in repr(last) or secret == "code"
        await server.stop()

    run(work)


def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    async def work() -> None:
        server = await opened()
        await server.stop()
        result = await delivered(server, batch())
        assert result.verdict.decision is Decision.DEFER
        assert "cannot be reached" in result.verdict.meaning

    run(work)
