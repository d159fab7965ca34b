from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.mailbox.fetch import TRIES
from gateway.mailbox.listing import MOST_HEADER_LINES
from gateway.sandbox.mailbox import MailboxServer
from gateway.store import inbox
from gateway.store.sqlite import Db, Store
from tests.mailbox.conftest import PASSWORD
from tests.mailbox.world import World, mailbox_at, run, until, world
from tests.servers.dovecot import Dovecot

SHOP = "shop@acme.example"


def letter(subject: str) -> bytes:
    return f"From: ann@example.net\nSubject: {subject}\n\nHi\n".encode()


def aside(db: Db) -> list[tuple[bytes, str]]:
    """Return the content and the error of what was set aside."""
    ids = db.execute("SELECT message FROM inbox WHERE outcome = 'set_aside'").fetchall()
    found = [inbox.load(db, id_) for (id_,) in ids]
    return [(one.fetched.content, one.rule or "") for one in found if one is not None]


async def begun(here: World) -> None:
    here.watch()
    await until(lambda: here.states == ["ok"], what="the sign-in")


@pytest.mark.servers
def test_a_message_that_ends_the_process_three_times_is_set_aside_with_its_bytes(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def begin() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            await begun(here)

    run(begin)
    for subject in ("one", "POISON", "three"):
        dovecot.deliver(user, letter(subject))
    lives = [
        live(tmp_path, dovecot.imap_port, user, until_said="three") for _ in range(TRIES + 1)
    ]
    assert lives == [66, 66, 66, 0]
    store = Store.open(tmp_path / "gateway.db")
    ((content, error),) = store.read_now(aside)
    left = store.read_now(inbox.unfinished)
    fetched = [store.read_now(inbox.load, one.message) for one in left]
    store.close()
    assert [one.fetched.uid for one in fetched if one is not None] == [1, 3]
    assert content == letter("POISON").replace(b"\n", b"\r\n")
    assert "ended three times" in error


def live(directory: Path, port: int, user: str, *, until_said: str) -> int:
    """Run the victim until it has said a subject or died; return how it ended."""
    with subprocess.Popen(
        [
            sys.executable,
            Path(__file__).with_name("victim.py"),
            directory,
            str(port),
            user,
            PASSWORD,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        for line in process.stdout:
            if line.strip() == until_said:
                process.stdin.close()
        return process.wait(60)


@pytest.mark.servers
def test_bytes_that_the_server_cannot_give_are_set_aside_without(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            await begun(here)
            await here.watchers.stop()
            dovecot.deliver(user, letter("broken"))
            (file,) = (dovecot.maildir(user) / "new").iterdir()
            dovecot.deliver(user, letter("whole"))
            file.chmod(0)
            here.update()
            (message,) = await here.messages(1)
            assert b"whole" in message.content
            while not (found := await here.store.read(aside)):
                here.watchers.wake(user)
            ((content, error),) = found
            assert content == b""
            assert "could not be had" in error

    run(work)


def test_a_stop_of_ours_is_not_held_against_a_message(tmp_path: Path) -> None:
    """However often the gateway is stopped while it takes a large one in."""

    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(SHOP, "code")
        mailbox = mailbox_at(server.port, SHOP)
        async with world(tmp_path, mailbox, "code") as here:
            await begun(here)
            await here.watchers.stop()
            server.deliver(SHOP, letter("large") + bytes(20 * 1024 * 1024))
            for _ in range(TRIES + 1):
                tried = await here.store.read(tries)
                here.update()
                while await here.store.read(tries) == tried:
                    continue
                await here.watchers.stop()
            here.update()
            await here.messages(1)
            assert await here.store.read(aside) == []
        await server.stop()

    run(work)


def tries(db: Db) -> int:
    (found,) = db.execute("SELECT coalesce(max(tries), 0) FROM open_uids").fetchone()
    return int(found)


def test_a_header_that_is_made_to_take_minutes_is_set_aside_unread(tmp_path: Path) -> None:
    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(SHOP, PASSWORD)
        async with world(tmp_path, mailbox_at(server.port, SHOP), PASSWORD) as here:
            await begun(here)
            endless = b"a:\r\n" * (MOST_HEADER_LINES + 2) + b"\r\nHi\r\n"
            server.deliver(SHOP, endless)
            server.deliver(SHOP, letter("whole").replace(b"\n", b"\r\n"))
            (message,) = await here.messages(1)
            assert b"whole" in message.content
            ((content, error),) = await here.store.read(aside)
            assert (content, error.split()[:4]) == (endless, ["its", "header", "has", "100001"])
        await server.stop()

    run(work)


@pytest.mark.servers
def test_a_fault_of_ours_stops_one_message_and_not_the_mailbox(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            await begun(here)
            await here.store.write(refuse_subject, "poison")
            for subject in ("one", "poison", "three"):
                dovecot.deliver(user, letter(subject))
            messages = await here.messages(2)
            assert [b"poison" in one.content for one in messages] == [False, False]
            while not (found := await here.store.read(aside)):
                here.watchers.wake(user)
            ((content, error),) = found
            assert b"poison" in content
            assert "while it was stored" in error

    run(work)


def refuse_subject(db: Db, word: str) -> None:
    """Let the table itself refuse to take a message in, but not to set it aside."""
    db.execute(
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.inbox WHEN NEW.state = 'fetched' AND"
        f" (SELECT instr(bytes, CAST('{word}' AS BLOB)) FROM content"
        " WHERE message = NEW.message)"
        " BEGIN SELECT RAISE(ABORT, 'poison'); END"
    )
