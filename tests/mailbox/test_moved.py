from __future__ import annotations

from imaplib import IMAP4
from pathlib import Path

import pytest

from gateway.mail.inbound import Fetched
from gateway.store.sqlite import Db
from tests.mailbox.conftest import PASSWORD
from tests.mailbox.world import mailbox_at, run, until, world
from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.servers


def letter(subject: str) -> bytes:
    fields = f"From: ann@example.net\nMessage-ID: <1@example.net>\nSubject: {subject}"
    return f"{fields}\n\nHi\n".encode()


def subjects(messages: list[Fetched]) -> list[str]:
    return [one.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for one in messages]


def make(dovecot: Dovecot, user: str, folder: str) -> None:
    with IMAP4("127.0.0.1", dovecot.imap_port) as person:
        person.login(user, PASSWORD)
        person.create(folder)


def move(dovecot: Dovecot, user: str, source: str, target: str) -> None:
    """Move the letter "one", as a person does in a mail program."""
    with IMAP4("127.0.0.1", dovecot.imap_port) as person:
        person.login(user, PASSWORD)
        person.select(source)
        found = person.uid("SEARCH", "SUBJECT one")[1][0].decode()
        assert person.uid("MOVE", found, target)[0] == "OK"


def test_what_a_person_moves_between_watched_folders_comes_once(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        make(dovecot, user, "Team")
        mailbox = mailbox_at(dovecot.imap_port, user, folders=("INBOX", "Team"))
        async with world(tmp_path, mailbox, PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            dovecot.deliver(user, letter("one"))
            await here.messages(1)
            for count, way in enumerate((("INBOX", "Team"), ("Team", "INBOX")), start=2):
                move(dovecot, user, *way)
                dovecot.deliver(user, letter(f"number {count}"), folder=way[1])
                here.watchers.wake(user)
                await here.messages(count)
            found = await here.all_messages()
            assert subjects(found) == ["one", "number 2", "number 3"]

    run(work)


def hold_all(db: Db) -> None:
    db.execute("UPDATE inbox SET state = 'done', outcome = 'held'")


@pytest.mark.parametrize("is_held", [True, False])
def test_junk_that_was_held_is_handed_on_when_a_person_moves_it_out(
    is_held: bool, dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        make(dovecot, user, "Junk")
        mailbox = mailbox_at(dovecot.imap_port, user, junk="report")
        async with world(tmp_path, mailbox, PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            dovecot.deliver(user, letter("one"), folder="Junk")
            here.watchers.wake(user)
            await here.messages(1)
            if is_held:
                await here.store.write(hold_all)
            move(dovecot, user, "Junk", "INBOX")
            dovecot.deliver(user, letter("last"))
            found = await here.messages(3 if is_held else 2)
            assert subjects(found) == ["one", *(["one"] if is_held else []), "last"]

    run(work)
