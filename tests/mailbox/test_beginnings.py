from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.mail.tenant import Tenant
from gateway.mailbox.beginnings import LOOKED_BACK
from gateway.sandbox.mailbox import MailboxServer
from gateway.store import folders
from gateway.store.sqlite import Db
from tests.mailbox.world import mailbox_at, run, until, until_idle, world

ADDRESS, CODE = "shop@acme.example", "code"
MAIL = b"From: ann@example.net\r\nSubject: new\r\n\r\nWhere is my order?\r\n"
OLD = b"From: ann@example.net\r\nSubject: old\r\n\r\nThank you!\r\n"


def make(server: MailboxServer, folder: str) -> None:
    """Make a folder that at once holds a mail of now, and one of last year."""
    server.account(ADDRESS).create(folder)
    server.folder(ADDRESS, folder).add(OLD, at=datetime.now(UTC) - timedelta(days=365))
    server.folder(ADDRESS, folder).add(MAIL)


def expect(db: Db, before: Tenant | None, tenant: Tenant) -> None:
    folders.expect_mail(db, before, tenant, now=datetime.now(UTC))


def test_what_lies_in_a_folder_when_it_first_appears_is_fetched_unless_it_is_old(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        async with world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here:
            here.watch(folders=("INBOX", "Orders"))
            await until(lambda: here.states == ["ok"], what="the sign-in")
            make(server, "Orders")
            [found] = await here.messages(1)
            assert (found.folder, found.content, found.backfill) == ("Orders", MAIL, False)
            server.deliver(ADDRESS, OLD, "Orders")
            assert [one.content for one in await here.messages(2)] == [MAIL, OLD]
        await server.stop()

    run(work)


def test_a_folder_for_junk_that_was_made_while_nobody_watched_is_fetched_from_then_on(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        del server.account(ADDRESS).folders["Junk"]
        mailbox = mailbox_at(server.port, ADDRESS, junk="route")
        async with world(tmp_path, mailbox, CODE) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
        make(server, "Junk")
        async with world(tmp_path, mailbox, CODE) as here:
            here.watch()
            [found] = await here.messages(1)
            assert (found.folder, found.content, found.junk) == ("Junk", MAIL, True)
        await server.stop()

    run(work)


def test_what_comes_between_the_connection_and_the_first_sign_in_is_fetched(
    tmp_path: Path,
) -> None:
    """More than is looked back for at first, with an old mail that a person moved in among
    it; in the folder for junk, too, once that is asked for."""

    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        inbox, junk = (server.folder(ADDRESS, name) for name in ("INBOX", "Junk"))
        before = datetime.now(UTC) - timedelta(seconds=2)
        for folder in (inbox, junk):
            folder.add(OLD, at=before)
        mailbox = mailbox_at(server.port, ADDRESS, junk="route")
        off = {ADDRESS: replace(mailbox, junk="off")}
        async with world(tmp_path, mailbox, CODE) as here:
            without_junk = replace(here.tenant, mailboxes=off)
            await here.store.write(expect, None, without_junk)
            await here.store.write(expect, without_junk, here.tenant)
            for _ in range(LOOKED_BACK + 1):
                server.deliver(ADDRESS, MAIL)
            inbox.add(OLD, at=before)
            server.deliver(ADDRESS, MAIL, "Junk")
            here.watch()
            found = await here.messages(LOOKED_BACK + 2)
            assert {one.content for one in found} == {MAIL}
            assert [one.uid for one in found if one.junk] == [2]
            uids = [one.uid for one in found if not one.junk]
            assert sorted(uids) == list(range(2, LOOKED_BACK + 3))
            assert not any(one.backfill for one in found)
        await server.stop()

    run(work)


def test_in_another_account_the_same_numbers_are_of_other_mail(tmp_path: Path) -> None:
    """A move to another provider, of which many have one UIDVALIDITY for every folder."""
    other, moved, new = "shop@old.example", letter("moved"), letter("new")

    async def work() -> None:
        server = MailboxServer()
        await server.start()
        for address in (ADDRESS, other):
            server.add_account(address, CODE)
            server.folder(address).uidvalidity = 1
        mailbox = mailbox_at(server.port, ADDRESS, username=other)
        async with world(tmp_path, mailbox, CODE) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for content in (letter("one"), moved, letter("two")):
                server.deliver(other, content)
            await here.messages(3)
            server.folder(ADDRESS).add(moved, at=server.folder(other).letters[1].internal_date)
            server.deliver(ADDRESS, new)
            here.watch(username=ADDRESS)
            assert [one.content for one in (await here.messages(4))[3:]] == [new]
        await server.stop()

    run(work)


@pytest.mark.parametrize("left", [2, 1])
def test_what_a_restored_server_numbers_anew_is_fetched(tmp_path: Path, left: int) -> None:
    """Under the UIDVALIDITY of before, while nobody watches and in an open session, also where
    it is older than the connection."""

    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        inbox, before = server.folder(ADDRESS), datetime.now(UTC) - timedelta(minutes=5)
        for _ in range(2):
            inbox.add(OLD, at=before)
        async with world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for number in range(4):
                inbox.add(letter(f"{number}"), at=before)
            await here.messages(4)
            await here.watchers.stop()
            del inbox.letters[left:]
            inbox.next_uid = left + 1
            server.deliver(ADDRESS, letter("meanwhile"))
            here.update()
            await here.messages(5)
            await until_idle(server)
            server.deliver(ADDRESS, letter("later"))
            found = [(one.uid, one.content) for one in (await here.messages(6))[4:]]
            names = ("meanwhile", "later")
            assert found == [(left + at, letter(name)) for at, name in enumerate(names, 1)]
        await server.stop()

    run(work)


def letter(name: str) -> bytes:
    return f"From: a@example.net\r\nMessage-ID: <{name}@example.net>\r\n\r\n{name}\r\n".encode()
