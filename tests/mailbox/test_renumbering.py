from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.mailbox.account import account_of
from gateway.mailbox.renumbering import TRIES, Renumbering
from gateway.mailbox.sign_in import open_mailbox
from gateway.net.imap import ImapRefused, ImapSession, Listed
from gateway.store import folders
from tests.mailbox.conftest import PASSWORD
from tests.mailbox.world import CATALOGUE, World, mailbox_at, run, until, world
from tests.servers.dovecot import Dovecot

pytestmark = pytest.mark.servers

NAMED, NAMELESS = "<1@example.net>", ""


def letter(text: str, message_id: str) -> bytes:
    """Return a letter whose Message-ID and size are those of every other one."""
    field = f"Message-ID: {message_id}\n" if message_id else ""
    return f"From: ann@example.net\n{field}Subject: Order\n\n{text}\n".encode()


def renumbered(
    dovecot: Dovecot, user: str, path: Path, *, before: list[bytes], meanwhile: list[bytes]
) -> list[bytes]:
    """Return what is fetched in all; every letter has the same INTERNALDATE."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    expected = len(before) + len(meanwhile)
    found: list[bytes] = []

    async def work() -> None:
        async with world(path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for content in before:
                dovecot.deliver(user, content, at=at)
            await here.messages(len(before))
            await here.watchers.stop()
            await asyncio.to_thread(dovecot.stop)
            for content in meanwhile:
                dovecot.deliver(user, content, at=at)
            dovecot.renumber(user)
            await asyncio.to_thread(dovecot.start)
            here.update()
            await here.messages(expected)
            dovecot.deliver(user, letter("last", "<last@example.net>"))
            found.extend(one.content for one in await here.messages(expected + 1))

    run(work)
    return found


@pytest.mark.parametrize("message_id", [NAMED, NAMELESS])
def test_what_is_alike_but_for_its_content_is_told_apart(
    dovecot: Dovecot, user: str, tmp_path: Path, message_id: str
) -> None:
    """Of two copies of one message one was had, the other one is new."""
    old = [letter("one", message_id), letter("two", message_id)]
    new = [letter("six", message_id), letter("one", message_id)]
    found = renumbered(dovecot, user, tmp_path, before=old, meanwhile=new)
    on_disk = [one.replace(b"\n", b"\r\n") for one in dovecot.contents(user)]
    assert Counter(found) == Counter(on_disk)
    assert [one.split()[-1] for one in found] == [b"one", b"two", b"six", b"one", b"last"]


def test_what_cannot_be_read_again_is_new_after_some_tries(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    """Never lost, perhaps twice: a message that ends each session must not stop a folder."""

    async def work() -> None:
        mailbox = mailbox_at(dovecot.imap_port, user)
        async with world(tmp_path, mailbox, PASSWORD) as here:
            await have_one(here, dovecot, message_id=NAMELESS)
            assert await asked(here, user, lambda: None) == [1]
            assert await asked(here, user, lambda: letter_as_sent("one")) == []
            bye = ImapRefused("imap-any", "BYE", "Internal error")
            assert await asked(here, user, lambda: bye, times=TRIES) == bye
            assert await asked(here, user, lambda: bye, times=TRIES + 1) == [1]

    run(work)


def test_what_has_no_size_is_told_by_the_rest(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    """One message that cannot be read takes the sizes of all: none of them is new for that."""

    async def work() -> None:
        mailbox = mailbox_at(dovecot.imap_port, user)
        async with world(tmp_path, mailbox, PASSWORD) as here:
            await have_one(here, dovecot, message_id=NAMELESS)
            assert await asked(here, user, lambda: letter_as_sent("one"), sizes=False) == []
            assert await asked(here, user, lambda: letter_as_sent("two"), sizes=False) == [1]

    run(work)


def test_one_that_cannot_be_read_does_not_stop_a_folder_that_was_numbered_anew(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            await have_one(here, dovecot, message_id=NAMED)
            await asyncio.to_thread(dovecot.stop)
            dovecot.deliver(user, letter("broken", "<2@example.net>"))
            (file,) = (dovecot.maildir(user) / "new").iterdir()
            dovecot.deliver(user, letter("two", "<3@example.net>"))
            file.chmod(0)
            dovecot.renumber(user)
            await asyncio.to_thread(dovecot.start)
            here.update()
            found = [one.content.split()[-1] for one in await here.messages(2)]
            assert found == [b"one", b"two"]

    run(work)


async def have_one(here: World, dovecot: Dovecot, *, message_id: str) -> None:
    """Fetch one letter, then watch no more."""
    (user,) = here.tenant.mailboxes
    here.watch()
    await until(lambda: here.states == ["ok"], what="the sign-in")
    dovecot.deliver(user, letter("one", message_id))
    await here.messages(1)
    await here.watchers.stop()


def letter_as_sent(text: str) -> bytes:
    return letter(text, NAMELESS).replace(b"\n", b"\r\n")


async def asked(
    here: World,
    user: str,
    answer: Callable[[], bytes | ImapRefused | None],
    *,
    times: int = 1,
    sizes: bool = True,
) -> list[int] | ImapRefused:
    """Return what is new of the folder when each reading of a message ends in `answer`."""
    account = account_of(
        "acme", here.tenant.mailboxes[user], provider=CATALOGUE["generic"],
        poll_every=timedelta(minutes=2),
    )  # fmt: skip
    session = await ImapSession.connect(account.endpoint, here.pools)
    assert isinstance(session, ImapSession)

    async def content(_: ImapSession, listed: Listed) -> bytes | ImapRefused | None:
        assert listed.uid == 1
        return answer()

    try:
        await open_mailbox(session, account, PASSWORD, says_id=account.says_id)
        await session.select("INBOX")
        listed = await session.messages_above(0, sizes=sizes)
        known = await here.store.read(folders.cursor, user, "INBOX")
        assert isinstance(listed, list)
        assert known is not None
        renumbering = Renumbering(here.store, content=content)
        for _ in range(times):
            found = await renumbering.find_new(session, known, listed)
        return found
    finally:
        await session.logout()
