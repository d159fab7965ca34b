"""The provider's own copies of sent mail tell which Message-ID it gave."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.mail.message import parse_message
from gateway.mailbox.sent import Found, find_copies
from gateway.sandbox.folders import SENT
from gateway.sandbox.mailbox import MailboxServer
from gateway.store.awaited import Awaited, await_copy, find_awaited
from tests.mailbox.conftest import PASSWORD
from tests.mailbox.world import World, mailbox_at, run, until, until_idle, world
from tests.servers.dovecot import Dovecot

ADDRESS, CODE = "shop@acme.example", "code"
MAIL = b"From: ann@example.net\r\nSubject: 1\r\n\r\nWhere is my order?\r\n"
FIRST = Awaited(message="01M875FIRST0000000", message_id="<first@desk>")
SECOND = Awaited(message="01M875SECOND000000", message_id="<second@desk>")
ORIGINAL = ("X-Microsoft-Original-Message-ID",)


def copy(*lines: str) -> bytes:
    return "\r\n".join([*lines, "Subject: Order", "", "Hello", ""]).encode()


def test_a_copy_is_known_by_our_id_and_by_a_message_id_that_was_kept() -> None:
    copies = {
        1: copy("Message-ID: <1@provider>", f"X-Gateway-Id: {SECOND.message}"),
        2: copy("Message-ID: <2@provider>", f"{ORIGINAL[0]}: {FIRST.message_id}"),
        3: copy(f"Message-ID: {FIRST.message_id}"),
        4: copy("Message-ID: <4@provider>", "References: <first@desk>"),
        5: copy(f"X-Gateway-Id: {SECOND.message}"),
    }
    messages = {uid: parse_message(one) for uid, one in copies.items()}
    assert find_copies([FIRST, SECOND], messages, original_ids=ORIGINAL) == {
        1: Found(SECOND, "<1@provider>"),
        2: Found(FIRST, "<2@provider>"),
        3: Found(FIRST, "<first@desk>"),
    }
    assert 2 not in find_copies([FIRST, SECOND], messages, original_ids=())


async def begin(here: World, *mails: Awaited, mailbox: str = ADDRESS) -> None:
    for one in mails:
        await here.store.write(
            await_copy, mailbox=mailbox, message=one.message, message_id=one.message_id,
            now=datetime.now(UTC),
        )  # fmt: skip


def test_copies_are_learnt_before_what_came_in_is_fetched(tmp_path: Path) -> None:
    """On the one session there is; a copy that is missing is found when it comes."""

    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        async with world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here:
            here.watch()
            # else its first round may look for copies before, and fetch after what follows
            await until_idle(server)
            await begin(here, FIRST, SECOND)
            first = copy("Message-ID: <1@provider>", f"X-Gateway-Id: {FIRST.message}")
            server.deliver(ADDRESS, first, SENT)
            server.deliver(ADDRESS, MAIL)
            await here.messages(1)
            assert here.learnt == [(FIRST.message_id, "<1@provider>")]
            server.deliver(ADDRESS, copy("Message-ID: <2@provider>"), SENT)
            server.deliver(ADDRESS, MAIL)
            await here.messages(2)
            assert await here.store.read(find_awaited, ADDRESS) == [SECOND]
            server.deliver(ADDRESS, copy(f"Message-ID: {SECOND.message_id}"), SENT)
            server.deliver(ADDRESS, MAIL)
            await here.messages(3)
            assert await here.store.read(find_awaited, ADDRESS) == []
            assert len(here.learnt) == 1  # the second kept its id
            assert len(server.logins) == 1
        await server.stop()

    run(work)


def test_a_copy_that_was_seen_before_it_was_awaited_is_found(tmp_path: Path) -> None:
    """The provider keeps it before we have stored that it took the mail."""

    async def work() -> None:
        server = MailboxServer()
        await server.start()
        server.add_account(ADDRESS, CODE)
        for one in (FIRST, SECOND):
            renamed = f"<{one.message}@provider>"
            server.deliver(
                ADDRESS, copy(f"Message-ID: {renamed}", f"X-Gateway-Id: {one.message}"), SENT
            )
        async with world(tmp_path, mailbox_at(server.port, ADDRESS), CODE) as here:
            await begin(here, FIRST)
            here.watch()
            await until(lambda: len(here.learnt) == 1, what="the first id")
            await begin(here, SECOND)
            here.watchers.wake(ADDRESS)
            await until(lambda: len(here.learnt) == 2, what="the second id")
        await server.stop()

    run(work)


@pytest.mark.servers
def test_a_real_server_idles_in_the_main_folder_again_after_a_look(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    copied = copy("Message-ID: <1@provider>", f"X-Gateway-Id: {FIRST.message}")

    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            await begin(here, FIRST, SECOND, mailbox=user)
            dovecot.deliver(user, copied, folder=SENT)
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            for count in (1, 2):
                dovecot.deliver(user, MAIL)
                await here.messages(count)
            assert here.learnt == [(FIRST.message_id, "<1@provider>")]
            assert await here.store.read(find_awaited, user) == [SECOND]

    run(work)


@pytest.mark.servers
def test_a_copy_that_cannot_be_read_keeps_nothing_from_being_fetched(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    """Dovecot ends the session over it."""

    async def work() -> None:
        async with world(tmp_path, mailbox_at(dovecot.imap_port, user), PASSWORD) as here:
            await begin(here, FIRST, mailbox=user)
            dovecot.deliver(user, copy("Message-ID: <1@provider>"), folder=SENT)
            (file,) = (dovecot.maildir(user, SENT) / "new").iterdir()
            file.chmod(0)
            here.watch()
            await until(lambda: here.states == ["ok"], what="the sign-in")
            dovecot.deliver(user, MAIL)
            await here.messages(1)

    run(work)
