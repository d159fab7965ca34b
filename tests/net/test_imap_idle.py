from __future__ import annotations

import asyncio
from time import thread_time

import pytest

from gateway.net.imap import Folder, ImapRefused, ImapSession
from gateway.net.unreachable import Unreachable
from tests.net.test_imap_wire import CAPABLE, DONE, scripted, talk

ON = b"+ idling\r\n"


async def idle(session: ImapSession, *, seconds: float) -> bool | ImapRefused:
    """Return whether there was news."""
    stirred = asyncio.Event()
    refused = await session.idle(stirred, seconds=seconds)
    return refused or stirred.is_set()


async def idle_twice(session: ImapSession) -> list[bool | ImapRefused]:
    await session.login("a", "b")
    return [await idle(session, seconds=0.1), await idle(session, seconds=30)]


def test_a_server_that_is_still_there_has_no_news() -> None:
    """Dovecot says so every two minutes: it must not cost a round each time."""
    told = b"* OK Still here\r\n* OK [ALERT] Still here\r\n"
    with scripted(CAPABLE, DONE, ON + told, DONE, ON + b"* 3 EXISTS\r\n", DONE) as endpoint:
        assert talk(endpoint, idle_twice) == [False, True]


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        pytest.param(b"* 3 EXI", b"STS\r\n", id="half a line"),
        pytest.param(b"* 3 FETCH (X {5}\r\nab", b"cde)\r\n* 3 EXISTS\r\n", id="a literal"),
        pytest.param(b"* 3 FETCH (X {3}\r\n", b"\r\n\r)\r\n* 3 EXISTS\r\n", id="its lines"),
    ],
)
def test_half_an_answer_is_no_news_and_holds_up_nothing(first: bytes, rest: bytes) -> None:
    with scripted(CAPABLE, DONE, ON + first, rest + DONE, ON, DONE) as endpoint:
        assert talk(endpoint, idle_twice) == [False, True]


def test_a_server_that_ends_idle_by_itself_is_not_told_to() -> None:
    async def work(session: ImapSession) -> list[object]:
        await session.login("a", "b")
        return [await idle(session, seconds=30), await session.keep_alive("", by_status=False)]

    with scripted(CAPABLE, DONE, ON + b"TAG OK enough\r\n", DONE) as endpoint:
        assert talk(endpoint, work) == [True, None]


def test_a_goodbye_while_idle_is_a_refusal() -> None:
    async def work(session: ImapSession) -> bool | ImapRefused:
        await session.login("a", "b")
        return await idle(session, seconds=30)

    with scripted(CAPABLE, DONE, ON + b"* BYE Autologout\r\n") as endpoint:
        assert talk(endpoint, work) == ImapRefused("imap-any", "BYE", "Autologout")


def test_idle_that_is_refused_is_a_value() -> None:
    async def work(session: ImapSession) -> bool | ImapRefused:
        await session.login("a", "b")
        return await idle(session, seconds=30)

    with scripted(CAPABLE, DONE, b"TAG NO not now\r\n") as endpoint:
        assert talk(endpoint, work) == ImapRefused("imap-any", "NO", "not now")


@pytest.mark.parametrize("said", [b"x" * 2_000_000, b"* {999999999}\r\n" + b"x" * 2_000_000])
def test_what_never_ends_while_idle_is_unreachable(said: bytes) -> None:
    async def work(session: ImapSession) -> None:
        await session.login("a", "b")
        with pytest.raises(Unreachable, match="more than"):
            await session.idle(asyncio.Event(), seconds=30)

    with scripted(CAPABLE, DONE, ON + said) as endpoint:
        talk(endpoint, work)


def test_a_mailbox_that_is_emptied_by_another_program_holds_nobody_up() -> None:
    async def work(session: ImapSession) -> float:
        await session.login("a", "b")
        longest = 0.0

        async def look() -> None:
            nonlocal longest
            before = thread_time()
            while True:
                await asyncio.sleep(0)
                longest, before = max(longest, thread_time() - before), thread_time()

        looking = asyncio.ensure_future(look())
        await asyncio.sleep(0)
        assert await idle(session, seconds=60)
        await asyncio.sleep(0)
        looking.cancel()
        return longest

    removed = b"* 1 EXPUNGE\r\n" * 50_000
    with scripted(CAPABLE, DONE, ON + removed + b"* 1 EXISTS\r\n", DONE) as endpoint:
        longest = talk(endpoint, work)
    assert not isinstance(longest, ImapRefused)
    assert longest < 0.1


def test_another_folder_is_asked_about_without_opening_it() -> None:
    async def work(session: ImapSession) -> Folder | ImapRefused:
        await session.login("a", "b")
        return await session.status("Junk mail")

    told = b'* STATUS "Junk mail" (UIDNEXT 9 UIDVALIDITY 7 MESSAGES 2)\r\n'
    found = Folder(name="Junk mail", uidvalidity=7, next_uid=9, messages=2)
    with scripted(CAPABLE, DONE, told + DONE) as endpoint:
        assert talk(endpoint, work) == found
    literal = b"* STATUS {9}\r\nJunk mail (UIDNEXT 9 UIDVALIDITY 7 MESSAGES 2)\r\n"
    with scripted(CAPABLE, DONE, literal + DONE) as endpoint:
        assert talk(endpoint, work) == found


def test_an_empty_answer_about_a_folder_is_a_value() -> None:
    """NetEase gives one."""

    async def work(session: ImapSession) -> Folder | ImapRefused:
        await session.login("a", "b")
        return await session.status("Junk")

    for told in (b'* STATUS "Junk" ()\r\n', b"* STATUS\r\n", b""):
        with scripted(CAPABLE, DONE, told + DONE) as endpoint:
            refused = talk(endpoint, work)
            assert isinstance(refused, ImapRefused)
            assert refused.code == "BAD"


def test_activity_is_shown_by_status_whatever_it_tells() -> None:
    async def work(session: ImapSession) -> list[ImapRefused | None]:
        await session.login("a", "b")
        return [await session.keep_alive("Junk", by_status=True) for _ in range(3)]

    told = b'* STATUS "Junk" (UIDNEXT 9)\r\n', b"* STATUS\r\n"
    with scripted(
        CAPABLE, DONE, told[0] + DONE, told[1] + DONE, b"TAG NO not now\r\n"
    ) as endpoint:
        assert talk(endpoint, work) == [None, None, ImapRefused("imap-any", "NO", "not now")]
