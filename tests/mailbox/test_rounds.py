"""A mailbox with several folders: one that cannot be opened is said aloud, and takes nothing
from the others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.mailbox.account import account_of
from gateway.mailbox.fetch import Fetcher
from gateway.mailbox.ledger import Ledger, Page, check_all
from gateway.net.imap import ImapRefused
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import Quirks
from tests.mailbox.world import CATALOGUE, SECONDS, World, mailbox_at, run, until_idle, world

ADDRESS, CODE = "shop@acme.example", "code"
MAIL = b"From: ann@example.net\r\nSubject: 1\r\n\r\nWhere is my order?\r\n"


def test_a_folder_that_is_not_there_is_told_until_it_is(tmp_path: Path) -> None:
    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        async with world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here:
            here.watch(folders=("INBOX", "Orders"))
            assert "the folder Orders cannot be opened" in await reason(here, told=True)
            server.deliver(ADDRESS, MAIL)
            await here.messages(1)
            assert isinstance(await compared(here), ImapRefused)
            server.account(ADDRESS).create("Orders")
            await reason(here, told=False)
            server.deliver(ADDRESS, MAIL, "Orders")
            await here.messages(2)
            assert await compared(here) == Page(server=2, known=2)
        await server.stop()

    run(work)


async def reason(here: World, *, told: bool) -> str:
    """Return the reason of a mailbox that is ok, once there is one, or none."""
    async with asyncio.timeout(SECONDS):
        while True:
            state = await here.state()
            if state is not None and bool(state.reason) is told and state.state == "ok":
                return state.reason or ""
            await asyncio.sleep(0.01)


async def compared(here: World) -> Page | ImapRefused:
    def now() -> datetime:
        return datetime.now(UTC)

    account = account_of(
        "acme", here.tenant.mailboxes[ADDRESS], provider=CATALOGUE["generic"],
        poll_every=timedelta(minutes=2),
    )  # fmt: skip
    fetcher = Fetcher(account, here.store, arrived=here.arrived.append, now=now)
    ledger = Ledger(account, here.store, fetcher, now=now)
    return await check_all(ledger, account, CODE, pools=here.pools)


@pytest.mark.parametrize("folders", [("INBOX",), ("INBOX", "Junk")])
def test_a_folder_for_junk_that_comes_with_the_first_junk_is_fetched_from_its_beginning(
    tmp_path: Path, folders: tuple[str, ...]
) -> None:
    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        mailbox = mailbox_at(server.port, ADDRESS, junk="route")
        async with world(tmp_path, mailbox, CODE) as here:
            del server.account(ADDRESS).folders["Junk"]
            here.watch(folders=folders)
            await until_idle(server)  # else its first round may find Junk, or INBOX alone
            server.account(ADDRESS).create("Junk")
            server.deliver(ADDRESS, MAIL, "Junk")
            server.deliver(ADDRESS, MAIL)
            found = await here.messages(2)
            assert [one.folder for one in found] == ["Junk", "INBOX"]
            assert found[0].junk
        await server.stop()

    run(work)


def test_the_folder_for_junk_is_looked_for_again_where_the_server_did_not_list_it(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        server.quirks = Quirks(instead={"LIST": b"TAG NO [INUSE] Try again\r\n"})
        mailbox = mailbox_at(server.port, ADDRESS, junk="route")
        async with world(tmp_path, mailbox, CODE) as here:
            here.watch()
            await until_idle(server)
            assert isinstance(await compared(here), ImapRefused)
            server.quirks = Quirks()
            server.deliver(ADDRESS, MAIL)
            await here.messages(1)
            await until_idle(server)
            server.deliver(ADDRESS, MAIL, "Junk")
            assert (await here.messages(2))[1].junk
        await server.stop()

    run(work)
