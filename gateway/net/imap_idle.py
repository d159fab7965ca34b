"""IDLE (RFC 2177) on the event loop: while nothing happens a session costs its socket.

Waking a thread costs more than what is said around IDLE: DONE, STATUS of another folder, IDLE
again. So these are said and heard by the loop itself, which waits neither for the server nor
for half an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

from gateway.net.concurrency import spawn
from gateway.net.imap_wire import MAX_LINE_BYTES, Refusal, Wire

NEWS = frozenset({"EXISTS", "RECENT"})
KEPT = NEWS | {"BYE", "STATUS"}  # of what is told; the rest is noted by nobody
AT_ONCE = 200  # answers: some milliseconds, then others have their turn
LITERAL = re.compile(rb"\{(\d{1,9})\}\r?\n")


class IdleWire(Wire):
    """A wire that can be spoken to without waiting, in the thread of the event loop.

    `say` one command, `take` what comes until `answer` has the end of it.
    """

    _asked: bytes | None = None  # the tag of the command that is not answered yet
    _may_go_on = False  # the server has answered "+"
    may_have_more = False  # than was taken

    def say(self, command: str, *words: str) -> None:
        """Send one command; raises OSError or abort where it would have to wait."""
        self._check_bye()
        self.untagged_responses.clear()  # the library would keep them for ever
        self._may_go_on = False
        with self._at_once():
            self._asked = self._command(command, *words)

    def say_done(self) -> None:
        """Ask for the end of IDLE, unless the server ended it; raises its BYE."""
        self._check_bye()
        if not self.is_answered():
            with self._at_once():
                self.send(b"DONE\r\n")

    def take(self) -> None:
        """Read what has come, and note answers that are whole; raises its BYE.

        Whoever empties a mailbox by another program brings a hundred thousand of them: then
        it `may_have_more`.
        """
        self.may_have_more = True
        for _ in range(AT_ONCE):
            if self._has_whole_answer():
                self._note()
            elif len(self._buffer) > MAX_LINE_BYTES:
                raise self.abort(f"an answer of more than {MAX_LINE_BYTES} bytes")
            elif not self._fill_at_once():
                self.may_have_more = False
                return

    def is_answered(self) -> bool:
        """Whether the command that was said has its end."""
        return self._asked is None or self.tagged_commands[self._asked] is not None

    def may_go_on(self) -> bool:
        """Whether IDLE has begun, or was refused."""
        return self._may_go_on or self.is_answered()

    def has_begun(self) -> bool:
        """Whether the server idles, as it says itself; what is refused is not begun."""
        return self._may_go_on

    def has_news(self) -> bool:
        """Whether mail may have come, or IDLE has ended.

        Some servers say "OK Still here" by the minute, and a person may read or delete. What
        arrived since the folder was listed may have been told with the answer to another
        command (RFC 9051 §7.4.1), and is not told again.
        """
        is_told = not NEWS.isdisjoint(self.untagged_responses)
        return self._has_arrivals or is_told or self.is_answered()

    def end(self) -> list[Any]:
        """Return the data of STATUS, where that was asked; raises what was refused."""
        tag, self._asked = self._asked, None
        if tag is not None:
            self._get_tagged_response(tag)
        return list(self.untagged_responses.get("STATUS", ()))

    def _note(self) -> None:
        self._may_go_on |= self._get_response() is None
        self._check_bye()  # some say it again and again, and never hang up
        for kind in self.untagged_responses.keys() - KEPT:
            del self.untagged_responses[kind]

    def _fill_at_once(self) -> bool:
        with self._at_once():
            try:
                self._fill()
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
        return True

    def _has_whole_answer(self) -> bool:
        at = 0
        while (end := self._buffer.find(b"\n", at)) >= 0:
            literal = LITERAL.search(self._buffer, at, end + 1)
            if literal is None:
                return True
            at = end + 1 + int(literal[1])
        return False

    @contextlib.contextmanager
    def _at_once(self) -> Iterator[None]:
        self.sock.settimeout(0)
        try:
            yield
        finally:
            self.sock.settimeout(self._endpoint.read_seconds)


class Idle:
    """What a session does without threads. Raises Refusal, OSError and imaplib's abort."""

    def __init__(self, wire: IdleWire, *, answer_seconds: float) -> None:
        self._wire = wire
        self._answer_seconds = answer_seconds

    async def idle(self, stirred: asyncio.Event, *, seconds: float) -> None:
        """Idle until there is news, which sets `stirred`, or somebody does, or for so long."""
        wire, until = self._wire, time.monotonic() + seconds
        wire.say("IDLE")
        await self._take_until(wire.may_go_on)
        if not wire.has_begun():
            wire.end()  # raises what was refused
            raise Refusal("NO", b"IDLE was over before it began")
        stirring = spawn(stirred.wait(), name="idle")
        try:
            while not wire.has_news() and await self._hears(stirring, until=until):
                wire.take()
        finally:
            stirring.cancel()
        if wire.has_news():
            stirred.set()
        wire.say_done()
        await self._take_until(wire.is_answered)
        wire.end()

    async def ask(self, command: str, *words: str) -> list[Any]:
        """Say one command; return what it tells by STATUS. Names are encoded and quoted."""
        self._wire.say(command, *words)
        await self._take_until(self._wire.is_answered)
        return self._wire.end()

    async def _take_until(self, has_come: Callable[[], bool]) -> None:
        self._wire.take()
        async with asyncio.timeout(self._answer_seconds):
            while not has_come():
                await self._hears()
                self._wire.take()

    async def _hears(self, *others: asyncio.Future[Any], until: float | None = None) -> bool:
        """Wait for bytes, one of `others` or the time; return whether there are bytes."""
        if self._wire.may_have_more:
            await asyncio.sleep(0)
            is_over = until is not None and time.monotonic() >= until
            return not is_over and not any(one.done() for one in others)
        loop, sock = asyncio.get_running_loop(), self._wire.sock
        bytes_came: asyncio.Future[Any] = loop.create_future()
        loop.add_reader(sock, _settle, bytes_came)
        try:
            await asyncio.wait(
                (bytes_came, *others),
                timeout=None if until is None else until - time.monotonic(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            loop.remove_reader(sock)
        return bytes_came.done()


def _settle(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(True)
