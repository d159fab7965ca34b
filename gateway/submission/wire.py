"""The connection under the verbs: command lines in, replies out, everything bounded.

aiosmtpd's class is the frame: it starts TLS and holds the session. Its command loop is
replaced here, because it takes a bare LF for a line end, prints every line, and goes on
reading after it has said goodbye.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from aiosmtpd import smtp

from gateway import events
from gateway.net.tls import abort

BLOCK_BYTES = 128 * 1024
MAX_COMMAND_BYTES = 4096  # RFC 5321 §4.5.3.1.4 asks for 512 and room for each extension
MAX_ERRORS = 20  # replies 4yz and 5yz in a session that is good for nothing
LINGER_SECONDS = 10.0  # for a goodbye that the client does not read
READY_FOR_TLS = b"220 Ready to start TLS"  # of the library
NO_CODE_YET = re.compile(rb"[245]\d\d[ -](?![245]\.\d{1,3}\.\d{1,3}( |$))")
MAX_LINE_BYTES = 510  # beside CR LF (RFC 5321 §4.5.3.1.5)
FOR_PEOPLE = (b"530", b"535", b"538", b"550", b"552", b"554")  # a program alone mends none
DEFAULT_CODES = {
    b"421": b"4.3.0", b"450": b"4.7.1", b"451": b"4.3.0", b"452": b"4.3.1", b"454": b"4.7.0",
    b"500": b"5.5.2", b"501": b"5.5.4", b"502": b"5.5.1", b"503": b"5.5.1", b"504": b"5.5.4",
    b"530": b"5.7.0", b"535": b"5.7.8", b"538": b"5.7.11", b"550": b"5.7.1", b"552": b"5.3.4",
    b"553": b"5.1.3", b"554": b"5.5.0", b"555": b"5.5.4",
}  # fmt: skip  # RFC 2034 §4, RFC 3463, for replies of the library


class ClientGone(Exception):
    """The client has closed, or the connection broke: there is nobody to answer."""


class LineRefused(Exception):
    """A line that is not one: answered with `reply`, never looked at."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


class Session(smtp.Session):
    """The library's session; its `login_data` would warn in the log at each sign-in."""

    peer: Any
    login_data: Any = None


class Wire(smtp.SMTP):
    """One connection of a client, from the greeting until it is closed."""

    session: Session
    transport: asyncio.Transport | None
    line_length_limit = BLOCK_BYTES  # of the library's reader: how much it gathers

    def __init__(
        self,
        handler: Any,
        *,
        opened: Callable[[Wire], str | None],
        closed: Callable[[Wire], None],
        support: str | None,
        **options: Any,
    ) -> None:
        """`opened` may return a refusal; `closed` is called once for each `opened`.

        `support` is an address that refusals name, where a person can act.
        """
        super().__init__(handler, loop=asyncio.get_running_loop(), **options)
        self._opened_hook, self._closed_hook = opened, closed
        self._support = support.encode() if support and support.isascii() else b""
        self.tls: str | None = None  # version and cipher; None in the clear
        self._errors = 0
        self._finishing = False
        self._is_promising = False  # between 354 and the reply to the final dot
        self._gone = False
        self._linger: asyncio.TimerHandle | None = None

    def finish(self) -> None:
        """Say goodbye now, or after the reply to the message that is being taken."""
        self._finishing = True
        if not self._is_promising:
            self._say_goodbye(b"421 4.3.2 The server is stopping: connect again later")

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self.transport is not None and self._handler_coroutine is not None:
            abort(self.transport)
            self._handler_coroutine.cancel()  # in a handshake nothing else would end it

    async def push(self, status: str | bytes) -> None:
        """Send a reply; too many refusals end the session."""
        reply = await self.push_harmless(status)
        self._errors += reply[:1] == b"5" or reply[:3] == b"454"
        if self._errors > MAX_ERRORS:
            self._errors = 0
            await self.hang_up("421 4.7.0 Too many errors")

    async def push_harmless(self, status: str | bytes) -> bytes:
        """Send a reply that says nothing against the client; return what was sent.

        After EHLO each refusal gets an enhanced code, also the library's.
        """
        reply = status if isinstance(status, bytes) else _as_bytes(status)
        if reply[:1] in b"45":
            reply = _with_support(_with_enhanced_code(reply), self._support)
        if reply == READY_FOR_TLS:
            reply = b"220 2.0.0 Ready to start TLS"
        self._writer.write(reply + b"\r\n")
        try:
            await self._writer.drain()
        except OSError as error:
            raise ClientGone from error
        return reply

    async def hang_up(self, status: str) -> None:
        """Send a last reply and end the session here: what was pipelined is not obeyed."""
        self._say_goodbye(_as_bytes(status))
        raise asyncio.CancelledError

    async def read_line(self, *, too_long: str = "500 5.5.2 The line is too long") -> bytes:
        """Return the next line without its CRLF.

        Raises LineRefused for what is not a line, ClientGone when there will be none.
        """
        try:
            line = await self._read_to_lf()
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ClientGone from error
        if len(line) > MAX_COMMAND_BYTES:
            raise LineRefused(too_long)
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise LineRefused("500 5.5.2 Lines end with CR LF, both together")
        if b"\0" in line:
            raise LineRefused("500 5.5.2 A line holds no NUL")
        return line[:-2]

    async def challenge_auth(
        self, challenge: str | bytes, *_options: Any, **_more_options: Any
    ) -> Any:
        """Send a challenge, return the decoded answer, or MISSING after an error reply.

        RFC 4954 §4: `*` cancels. Nothing of the answer is ever logged.
        """
        asked = challenge.encode() if isinstance(challenge, str) else challenge
        await self.push(b"334 " + base64.b64encode(asked))
        answer = await self.read_line(too_long="500 5.5.6 The line is too long")
        if answer == b"*":
            await self.push("501 5.7.0 Sign-in cancelled")
            return smtp.MISSING
        try:
            return base64.b64decode(answer, validate=True)
        except binascii.Error:
            await self.push("501 5.5.2 That is not Base64")
            return smtp.MISSING

    async def handle_exception(self, error: Exception) -> str:
        """Answer a fault; a line that was refused is the client's."""
        if isinstance(error, LineRefused):
            return error.reply
        reply: str = await self.event_handler.handle_exception(error)
        return reply

    def eof_received(self) -> bool:
        """Obey what was sent before the client closed its side, then close ours."""
        self._reader.feed_eof()
        return self.tls is None  # TLS has no half-closed connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a session, or say why not; called again when STARTTLS has begun."""
        is_first = self.transport is None
        self.tls = _tls_of(transport)
        super().connection_made(transport)
        if is_first and (refusal := self._opened_hook(self)):
            self._say_goodbye(_with_support(refusal.encode(), self._support))

    def connection_lost(self, error: Exception | None) -> None:
        """End the session, whatever it was doing."""
        if self._gone:
            return
        self._gone = True
        super().connection_lost(error)
        if self._linger is not None:
            self._linger.cancel()  # it would hold TLS with its buffers of 256 KB
        self._tls_protocol = self._original_transport = None
        self._closed_hook(self)

    @property
    def peer(self) -> tuple[str, int]:
        """The client's IP address and port; zeros when it went before we looked."""
        found = self.session.peer
        return (str(found[0]), int(found[1])) if found else ("0.0.0.0", 0)

    @property
    def has_unread(self) -> bool:
        """Whether the client sent more than was read so far."""
        return bool(self._unread)

    def unread(self, block: bytes) -> None:
        """Put back what was read too far."""
        self._unread[:0] = block

    def forget_errors(self) -> None:
        """Begin to count refusals anew: this session is good for something."""
        self._errors = 0

    def pause_timeout(self) -> None:
        """Let the session be idle, until the time-out is set again: it is we who work."""
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()

    @property
    def _unread(self) -> bytearray:
        buffer: bytearray = self._reader._buffer  # type: ignore[attr-defined]  # asyncio's
        return buffer  # reader cannot be looked into or put back to by its public face

    async def obey(self, line: bytes) -> None:
        """Carry out one command line."""
        raise NotImplementedError

    def _create_session(self) -> Session:
        return Session(self.loop)

    async def _handle_client(self) -> None:
        """Greet, then read and obey until the client goes: the library's loop, made strict."""
        try:
            await self.push(f"220 {self.hostname} ESMTP")
            while not self._gone:
                await self._obey_next()
                if self.has_unread:
                    await asyncio.sleep(0)  # pipelined: the other sessions have their turn
        except ClientGone:
            self._writer.close()
        except asyncio.CancelledError:
            self._writer.close()
            raise

    async def _obey_next(self) -> None:
        try:
            line = await self.read_line()
            self._reset_timeout()
            await self.obey(line)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours is answered 451
            await self.push(await self.handle_exception(error))

    async def _read_to_lf(self) -> bytes:
        """Return a line; of one that is longer than the reader gathers just its length."""
        skipped = 0
        while True:
            try:
                return b"." * skipped + await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                await self._reader.readexactly(error.consumed)
                skipped = MAX_COMMAND_BYTES

    def _timeout_cb(self) -> None:
        if self.transport is not None and self.transport.is_closing():
            self.abort()  # the last replies were never read
        self._say_goodbye(b"421 4.4.2 Nothing came from you for too long")

    def _say_goodbye(self, reply: bytes) -> None:
        """Write a last reply and close; drop the connection if it is not read."""
        if self.transport is None or self.transport.is_closing():
            return
        self.transport.write(reply + b"\r\n")
        self.transport.close()
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()
        linger = min(LINGER_SECONDS, self._timeout_duration)
        self._linger = asyncio.get_running_loop().call_later(linger, self.abort)


def _as_bytes(reply: str) -> bytes:
    """A reply is ASCII, whatever name it repeats (RFC 6531 §3.7.4.2)."""
    return reply.encode("ascii", "backslashreplace")


def _tls_of(transport: asyncio.BaseTransport) -> str | None:
    found = transport.get_extra_info("ssl_object")
    return f"{found.version()} {found.cipher()[0]}" if found else None


def _with_enhanced_code(reply: bytes) -> bytes:
    if not NO_CODE_YET.match(reply):
        return reply
    code = DEFAULT_CODES.get(reply[:3], reply[:1] + b".0.0")
    return reply[:4] + code + b" " + reply[4:].removeprefix(b"Error: ")


def _with_support(reply: bytes, support: bytes) -> bytes:
    """Name whom to ask behind a refusal, on a line of its own where that is too long."""
    code = reply[:3]
    if not support or code not in FOR_PEOPLE:
        return reply
    asked = b"Questions? Ask " + support
    line = reply + b". " + asked
    if len(line) <= MAX_LINE_BYTES:
        return line
    enhanced = reply[4:].split(b" ", 1)[0]
    return b"%s-%s\r\n%s %s %s" % (code, reply[4:], code, enhanced, asked)


def report_fault(error: Exception) -> str:
    """Record a fault of ours and return what a client is told of it: nothing."""
    events.session_fault(error=error)
    return "451 4.3.0 Local error, try again later"
