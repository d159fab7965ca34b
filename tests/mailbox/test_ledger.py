from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.mailbox.account import Account, account_of
from gateway.mailbox.fetch import Fetcher
from gateway.mailbox.ledger import Ledger, Page, check_all, is_due
from gateway.mailbox.sign_in import open_mailbox
from gateway.net.imap import Folder, ImapRefused, ImapSession
from gateway.sandbox.mailbox import MailboxServer
from gateway.store import aside, inbox
from gateway.store.sqlite import Db
from tests.mailbox.world import CATALOGUE, World, mailbox_at, run, until, world

ADDRESS, CODE = "shop@163.com", "authorization-code"
MIDNIGHT = datetime(2026, 11, 25, 0, 30, tzinfo=UTC)


def letter(number: int) -> bytes:
    head = f"From: ann@example.net\r\nMessage-ID: <{number}@example.net>\r\n"
    return f"{head}Subject: {number}\r\n\r\nHello\r\n".encode()


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[tuple[MailboxServer, World]]:
    """A mailbox that held two messages when it was connected, and is watched."""
    server = MailboxServer()
    await server.start()
    server.add_account(ADDRESS, CODE)
    for number in (1, 2):
        server.deliver(ADDRESS, letter(number))
    try:
        async with world(path, mailbox_at(server.port, ADDRESS), CODE) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            yield server, here
    finally:
        await server.stop()


async def compared(
    server: MailboxServer, here: World, secret: str = CODE
) -> Page | ImapRefused:
    account = account_at(server)
    fetcher = Fetcher(account, here.store, arrived=here.arrived.append, now=now)
    ledger = Ledger(account, here.store, fetcher, now=now)
    return await check_all(ledger, account, secret, pools=here.pools)


def account_at(server: MailboxServer) -> Account:
    return account_of(
        "acme",
        mailbox_at(server.port, ADDRESS),
        provider=CATALOGUE["generic"],
        poll_every=timedelta(minutes=2),
    )


def now() -> datetime:
    return datetime.now(UTC)


def lose(db: Db, uid: int) -> None:
    """Plant a gap: as if a message had never been fetched."""
    db.execute(
        "DELETE FROM message WHERE id = (SELECT message FROM inbox WHERE uid = ?)", (uid,)
    )


def test_a_planted_gap_is_found_and_fetched_as_backfill(tmp_path: Path) -> None:
    async def work() -> None:
        async with connected(tmp_path) as (server, here):
            for number in (3, 4, 5):
                server.deliver(ADDRESS, letter(number))
            await here.messages(3)
            assert await compared(server, here) == Page(server=3, known=3)
            await here.store.write(lose, 4)
            found = await compared(server, here)
            assert found == Page(server=3, known=2, missing=1, fetched=1)
            again = (await here.all_messages())[-1]
            assert (again.uid, again.backfill) == (4, True)
            assert await compared(server, here) == Page(server=3, known=3)

    run(work)


def test_what_was_skipped_after_a_renumbering_is_not_missing(tmp_path: Path) -> None:
    async def work() -> None:
        async with connected(tmp_path) as (server, here):
            server.deliver(ADDRESS, letter(3))
            await here.messages(1)
            server.new_uidvalidity(ADDRESS)
            server.deliver(ADDRESS, letter(4))
            await here.messages(2)
            found = await compared(server, here)
            assert isinstance(found, Page)
            assert (found.server - found.known, found.missing) == (0, 0)

    run(work)


@pytest.mark.parametrize("is_told", [True, False])
def test_a_running_watcher_fetches_what_a_person_replays_without_bytes(
    tmp_path: Path, is_told: bool
) -> None:
    """Or by its next session, what a ledger opened that was ended before it told of it."""

    async def work() -> None:
        async with connected(tmp_path) as (server, here):
            server.deliver(ADDRESS, letter(3))
            (message,) = await here.messages(1)
            await here.store.write(empty_and_aside, message.id)
            assert await here.store.write(aside.replay, message.id, now=now())
            here.update() if is_told else server.hang_up(ADDRESS)
            again = (await here.messages(2))[-1]
            assert (again.uid, again.content, again.backfill) == (3, letter(3), True)

    run(work)


def test_what_another_process_opens_while_mail_is_taken_in_is_fetched_next(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with connected(tmp_path) as (server, here):
            await here.watchers.stop()
            for number in (3, 4):
                server.deliver(ADDRESS, letter(number))

            def arrived(id_: str) -> None:
                if not here.arrived:
                    here.store.write_now(empty_and_aside, id_)
                    here.store.write_now(aside.replay, id_, now=now())
                    fetcher.look_again()
                here.arrived.append(id_)

            account = account_at(server)
            fetcher = Fetcher(account, here.store, arrived=arrived, now=now)
            session = await ImapSession.connect(account.endpoint, here.pools)
            assert isinstance(session, ImapSession)
            folder = await open_mailbox(session, account, CODE, says_id=False)
            assert isinstance(folder, Folder)
            for _ in range(2):
                assert await fetcher.fetch(session, folder) == 0
            session.hang_up()
            assert [one.uid for one in await here.all_messages()] == [4, 3]

    run(work)


def empty_and_aside(db: Db, id_: str) -> None:
    db.execute("UPDATE content SET bytes = x'' WHERE message = ?", (id_,))
    inbox.finish(db, id_, "set_aside", rule="its bytes could not be had", now=now())


def test_a_refused_sign_in_is_a_value(tmp_path: Path) -> None:
    async def work() -> None:
        async with connected(tmp_path) as (server, here):
            refused = await compared(server, here, "another-code")
            assert isinstance(refused, ImapRefused)
            assert refused.phase == "imap-login"

    run(work)


@pytest.mark.parametrize(
    ("hours_ago", "hour", "due"),
    [(1, 0, False), (19, 2, False), (21, 2, True), (21, 12, False), (31, 12, True),
     (-1, 2, False), (-9999, 12, True)],
)  # fmt: skip
def test_a_folder_is_compared_at_night_and_once_a_day_at_the_least(
    hours_ago: int, hour: int, due: bool
) -> None:
    at = MIDNIGHT + timedelta(hours=hour)
    assert is_due(at - timedelta(hours=hours_ago), now=at) is due
