"""A mailbox that signs in by access tokens, watched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.mail.tenant import Mailbox
from gateway.net.oauth import TokenRefused
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import MICROSOFT
from tests.mailbox.world import World, mailbox_at, run, until, world

BOX, GOOD = "shop@acme.example", "access-good"
MAIL = b"From: ann@example.net\r\nSubject: 1\r\n\r\nWhere is my order?\r\n"
REVOKED = TokenRefused(400, "invalid_grant: AADSTS700082: The refresh token has expired.")


def mailbox_of(port: int) -> Mailbox:
    return mailbox_at(port, BOX, provider="m365", client_id="me", folders=("INBOX",))


@asynccontextmanager
async def watched(path: Path) -> AsyncIterator[tuple[MailboxServer, World]]:
    server = MailboxServer(opens=lambda address, token: (address, token) == (BOX, GOOD))
    await server.start()
    server.quirks = MICROSOFT
    server.add_account(BOX, "p")
    try:
        async with world(path, mailbox_of(server.port), "since noon") as here:
            yield server, here
    finally:
        await server.stop()


def test_mail_is_fetched_by_an_access_token(tmp_path: Path) -> None:
    async def work() -> None:
        async with watched(tmp_path) as (server, here):
            here.tokens.append(GOOD)
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            server.deliver(BOX, MAIL)
            (message,) = await here.messages(1)
            assert message.content == MAIL

    run(work)


def test_a_token_that_ended_before_its_time_is_renewed_and_is_no_trouble(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with watched(tmp_path) as (server, here):
            here.tokens += ["access-that-ended", GOOD]
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            assert list(server.logins) == [BOX, BOX]

    run(work)


def test_a_permission_that_was_withdrawn_is_a_death_with_the_way_back(tmp_path: Path) -> None:
    async def work() -> None:
        async with watched(tmp_path) as (server, here):
            here.tokens.append(REVOKED)
            here.watch()
            await until(lambda: "dead" in here.states, what="the death")
            state = await here.state()
            assert state is not None
            assert "withdrawn or has run out" in str(state.reason)
            assert "AADSTS700082" in str(state.reason)
            assert str(state.fix).endswith(f"gateway mailbox authorize {BOX}")
            assert len(server.logins) == 0
            here.tokens[:] = [GOOD]
            here.watchers.wake(BOX)
            await until(lambda: here.states[-1] == "ok", what="the sign-in")

    run(work)
