from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.mail.inbound import Fetched
from gateway.mail.tenant import Security, Tenant
from gateway.net.imap import Endpoint, ImapSession
from tests.mailbox.conftest import PASSWORD, USERS
from tests.mailbox.world import World, mailbox_at, run, until, world
from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.servers


def letter(number: int) -> bytes:
    return (
        f"From: ann@example.net\nSubject: {number}\nMessage-ID: <{number}@x>\n\nHi\n".encode()
    )


def subjects(messages: Sequence[Fetched]) -> list[str]:
    return [one.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for one in messages]


def test_mail_arrives_by_idle_and_what_was_there_stays(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, letter(0))

    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for number in (1, 2, 3):
                dovecot.deliver(user, letter(number))
                messages = await here.messages(number)
                assert subjects(messages) == [str(one) for one in range(1, number + 1)]
            assert [one.backfill for one in messages] == [False, False, False]

    run(work)


def test_three_hundred_messages_come_once_and_in_order(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            await asyncio.to_thread(deliver_many, dovecot, user, 300)
            messages = await here.messages(300)
            assert [one.uid for one in messages] == list(range(1, 301))
            assert sorted(subjects(messages), key=int) == [str(one) for one in range(300)]

    run(work)


def deliver_many(dovecot: Dovecot, user: str, count: int) -> None:
    for number in range(count):
        dovecot.deliver(user, letter(number))


def test_a_person_who_reads_and_moves_mail_changes_nothing(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            dovecot.deliver(user, letter(1))
            await here.messages(1)
            async with person(here, dovecot, user) as session:
                await session.mark_seen(1)
                dovecot.maildir(user, "Done").mkdir(exist_ok=True)
                await session.append("INBOX", letter(2).replace(b"\n", b"\r\n"))
                await session.mark_seen(2)
            messages = await here.messages(2)
            assert subjects(messages) == ["1", "2"]
            here.watchers.wake(user)
            dovecot.deliver(user, letter(3))
            assert subjects(await here.messages(3)) == ["1", "2", "3"]

    run(work)


@asynccontextmanager
async def person(here: World, dovecot: Dovecot, user: str) -> AsyncIterator[ImapSession]:
    endpoint = Endpoint(host="127.0.0.1", port=dovecot.imap_port, security=Security.NONE)
    session = await ImapSession.connect(endpoint, here.pools)
    assert isinstance(session, ImapSession)
    assert await session.login(user, PASSWORD) is None
    await session.select("INBOX")
    yield session
    await session.logout()


def test_what_a_person_moved_away_before_we_came_is_let_go(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            await here.watchers.stop()
            dovecot.deliver(user, letter(1))
            dovecot.deliver(user, letter(2))
            for file in dovecot.maildir(user).glob("new/*"):
                if b"Subject: 1" in file.read_bytes():
                    file.unlink()
            here.update()
            assert subjects(await here.messages(1)) == ["2"]

    run(work)


def test_what_came_while_we_were_down_is_caught_up(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def first() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            dovecot.deliver(user, letter(1))
            await here.messages(1)

    async def second() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            assert subjects(await here.messages(2)) == ["2", "3"]

    run(first)
    dovecot.deliver(user, letter(2))
    dovecot.deliver(user, letter(3))
    run(second)


def test_the_last_days_can_be_fetched_too(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for number, days in enumerate((40, 20, 50, 10)):
        dovecot.deliver(user, letter(number), at=now - timedelta(days=days))

    async def work() -> None:
        mailbox = mailbox_at(dovecot.imap_port, user, fetch_from="30d")
        async with world(tmp_path, mailbox, PASSWORD) as here:
            here.watch()
            messages = await here.messages(2)
            assert subjects(messages) == ["1", "3"]
            assert [one.backfill for one in messages] == [True, True]
            soon = datetime.now(UTC) + timedelta(seconds=5)
            dovecot.deliver(user, letter(4), at=soon)
            messages = await here.messages(3)
            assert (subjects(messages)[2], messages[2].backfill) == ("4", False)

    run(work)


def test_after_a_change_of_uidvalidity_nothing_comes_twice(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    for seconds in (259_200, 2):
        dovecot.deliver(user, letter(0), at=datetime.now(UTC) - timedelta(seconds=seconds))

    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for number in (1, 2):
                dovecot.deliver(user, letter(number))
            before = await here.messages(2)
            await here.watchers.stop()
            await asyncio.to_thread(dovecot.stop)
            dovecot.deliver(user, letter(3))
            dovecot.renumber(user)
            await asyncio.to_thread(dovecot.start)
            here.update()
            messages = await here.messages(3)
            assert subjects(messages) == ["1", "2", "3"]
            assert messages[2].uidvalidity != before[0].uidvalidity
            dovecot.deliver(user, letter(4))
            assert subjects(await here.messages(4)) == ["1", "2", "3", "4"]

    run(work)


def test_nul_bytes_and_eight_bits_are_stored_as_the_server_sends_them(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    """RFC 9051 §4.3.1 forbids NUL in a literal; Dovecot sends 0x80 for it."""

    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            dovecot.deliver(user, b"Subject: n\xfcl\n\na\x00b\xff\n.\n\nFrom here\n")
            (message,) = await here.messages(1)
            assert message.content == (
                b"Subject: n\xfcl\r\n\r\na\x80b\xff\r\n.\r\n\r\nFrom here\r\n"
            )

    run(work)


def test_after_fetch_a_message_is_seen_or_moved_where_asked(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        mailbox = mailbox_at(dovecot.imap_port, user, after_fetch="seen")
        async with world(tmp_path, mailbox, PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            dovecot.deliver(user, letter(1))
            await here.messages(1)
            seen = dovecot.maildir(user) / "cur"
            await until(lambda: any(one.name.endswith("S") for one in seen.iterdir()), what="S")
            here.watch(after_fetch="move:Nowhere yet")
            dovecot.deliver(user, letter(2))
            assert subjects(await here.messages(2)) == ["1", "2"]
            await until(lambda: bool(dovecot.contents(user, "Nowhere yet")), what="the folder")
            here.watch(after_fetch="move:INBOX")  # what is moved there is new there
            dovecot.deliver(user, letter(3))
            await here.messages(3)
            dovecot.deliver(user, letter(4))
            assert subjects(await here.messages(4)) == ["1", "2", "3", "4"]

    run(work)


def test_a_server_that_restarts_is_found_again(tmp_path: Path) -> None:
    server = Dovecot()
    server.add_user(USERS[0], PASSWORD)
    server.start()

    async def work() -> None:
        async with world(tmp_path, mailbox_at(server.imap_port, USERS[0]), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            server.kill()
            server.deliver(USERS[0], letter(1))
            await until(lambda: "suspect" in here.states, what="the outage to show")
            await asyncio.to_thread(server.start)
            assert subjects(await here.messages(1)) == ["1"]
            assert here.states == ["ok", "suspect", "ok"]
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            server.deliver(USERS[0], letter(2))
            assert subjects(await here.messages(2)) == ["1", "2"]

    try:
        run(work)
    finally:
        server.close()


def test_a_refused_code_kills_slowly_and_a_new_one_heals_at_once(tmp_path: Path) -> None:
    server = Dovecot()
    server.add_user(USERS[0], PASSWORD)
    server.start()

    async def work() -> None:
        async with world(tmp_path, mailbox_at(server.imap_port, USERS[0]), "expired") as here:
            here.watch()
            await until(lambda: here.states[-1:] == ["dead"], what="death")
            assert here.states == ["suspect", "dead"]
            state = await here.state()
            assert state is not None
            assert "Authentication failed" in (state.reason or "")
            assert state.fix
            server.deliver(USERS[0], letter(1))
            here.secrets[USERS[0]] = PASSWORD
            here.update()
            await until(lambda: here.states[-1:] == ["ok"], what="the new code to be tried")
            server.deliver(USERS[0], letter(2))
            assert subjects(await here.messages(1)) == ["2"]

    try:
        run(work)
    finally:
        server.close()


def test_a_changed_setting_restarts_and_a_removed_mailbox_stops(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        async with world(tmp_path, mailbox_at(1, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["suspect"], what="the outage to show")
            here.watch(port=dovecot.imap_port)
            await until(lambda: here.states[-1:] == ["ok"], what="the right port")
            assert here.watchers.wake(user)
            here.watchers.update({})
            assert not here.watchers.wake(user)

    run(work)


def test_many_idle_mailboxes_need_no_thread_each(
    dovecot: Dovecot, users: Iterator[str], tmp_path: Path
) -> None:
    eight = [next(users) for _ in range(8)]

    before = set(threading.enumerate())  # those of an earlier test may not be gone yet

    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, eight[0]), PASSWORD) as here:
            mailboxes = {user: mailbox_at(dovecot.imap_port, user) for user in eight}
            here.secrets.update(dict.fromkeys(eight, PASSWORD))
            here.watchers.update({"acme": Tenant(id="acme", mailboxes=mailboxes)})
            await until(lambda: here.states == ["ok"] * 8, what="eight sign-ins")
            threads = set(threading.enumerate()) - before
            assert len([one for one in threads if one.name.startswith("imap")]) <= 4
            for user in eight:
                dovecot.deliver(user, letter(7))
            assert {one.mailbox for one in await here.messages(8)} == set(eight)

    run(work)
