"""One SMTP connection as a client sees it: bytes out, replies in.

Why not Twisted's own ESMTPClient: its states expect one answer to one command, so an envelope
cannot be pipelined (RFC 2920), it reads the message through a file sender line by line, keeps
a transcript in which the password stands, and does not look at what a server sent before the
TLS handshake. From Twisted come the transport, TLS and the line framing.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.error import ConnectionRefusedError as NobodyListens
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.ssl import OpenSSLDefaultPaths, VerificationError, optionsForClientTLS
from twisted.protocols.basic import LineReceiver
from zope.interface.declarations import implementer

from gateway.mail.charset import decode_reply
from gateway.mail.delivery import Phase
from gateway.mail.reply import Reply, parse_reply
from gateway.net.concurrency import wait_for
from gateway.net.unreachable import Unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from twisted.python.failure import Failure

MAX_REPLY_LINES = 200
MAX_UNREAD_BYTES = 1024 * 1024  # of replies that nobody has taken yet
BLOCK_BYTES = 64 * 1024
NOT_TLS_WORDS = (
    "wrong version number",
    "record layer failure",
    "packet length",
    "http request",
)


class Loss(StrEnum):
    """Why a session was lost, for those who advise; the sentence is for those who read."""

    NAME = "name"  # the host has no address
    REFUSED = "refused"  # nobody listens there
    SILENT = "silent"  # no answer in time
    UNTRUSTED = "untrusted"  # the certificate is not signed by an authority we trust
    WRONG_NAME = "wrong-name"  # the certificate is for another host
    NOT_TLS = "not-tls"  # the server speaks in the clear where TLS was expected
    SPEAKS_TLS = "speaks-tls"  # it waits for TLS where it was asked to speak first
    NO_NAME = "no-name"  # ours: no certificate can be for such a host
    CA_FILE = "ca-file"  # ours: it cannot be read, or holds no certificate
    TLS = "tls"  # another fault of the handshake
    NOT_SMTP = "not-smtp"
    CLOSED = "closed"


class SessionLost(Unreachable):
    """A server could not be reached or fell silent; `phase` says how far we had come."""

    def __init__(self, phase: Phase, sentence: str, *, reason: Loss = Loss.CLOSED) -> None:
        super().__init__(sentence)
        self.phase = phase
        self.reason = reason


async def connect(
    host: str, port: int, *, addresses: tuple[str, ...] = (), seconds: float
) -> Wire:
    """Return a connection to the first of the host's addresses that takes one.

    `addresses` are those already resolved; raises SessionLost within about `seconds`.
    """
    tried = SessionLost(Phase.CONNECT, f"{host} has no address now", reason=Loss.NAME)
    for address in addresses or await resolve(host, port, seconds=seconds):
        try:
            return await _connect_to(host, address, port, seconds=seconds)
        except (ConnectError, OSError, TimeoutError) as error:
            words = str(error) or "no answer"
            tried = SessionLost(
                Phase.CONNECT,
                f"{host}:{port} ({address}) takes no connection: {words}",
                reason=Loss.REFUSED if isinstance(error, NobodyListens) else Loss.SILENT,
            )
    raise tried


async def resolve(host: str, port: int, *, seconds: float) -> tuple[str, ...]:
    """Return the addresses that the system knows of a host; raises SessionLost for none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        words = f"{host} has no address now: no answer in {seconds:g} s"
        raise SessionLost(Phase.CONNECT, words, reason=Loss.NAME) from error
    except (OSError, UnicodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or "it is no host name"
        words = f"{host} has no address now: {why}"
        raise SessionLost(Phase.CONNECT, words, reason=Loss.NAME) from error
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


@implementer(IHandshakeListener)  # type: ignore[no-untyped-call]  # zope's lack
class Wire(LineReceiver):
    """A connection that collects whole replies; every wait has a limit."""

    MAX_LENGTH = 8192
    transport: Any  # Twisted's own annotation is one of many interfaces

    def __init__(self, host: str) -> None:
        self.host = host
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._unread_bytes = 0
        self._news: asyncio.Future[None] | None = None
        self._lost: tuple[str, Loss] | None = None
        self._is_secured = False
        self._pace = _Pace()

    @property
    def is_quiet(self) -> bool:
        """Whether the connection stands and nothing unasked-for came by it."""
        return self._lost is None and not self._replies and not self._lines

    @property
    def answered(self) -> int:
        """How many replies came that nobody has taken yet."""
        return len(self._replies)

    @property
    def tls(self) -> str | None:
        """`TLSv1.3 TLS_AES_256_GCM_SHA384`, or None in the clear."""
        handle = self.transport.getHandle()
        if not isinstance(handle, SSL.Connection):
            return None
        return f"{handle.get_protocol_version_name()} {handle.get_cipher_name()}"

    def write(self, data: bytes) -> None:
        """Send bytes at once; what a small message needs."""
        self.transport.write(data)

    async def write_paced(self, data: bytes, *, seconds: float) -> None:
        """Send many bytes as fast as the server takes them, each block within `seconds`."""
        self.transport.registerProducer(self._pace, True)
        try:
            for at in range(0, len(data), BLOCK_BYTES):
                self.transport.write(data[at : at + BLOCK_BYTES])
                await self._pace.wait(self.host, seconds=seconds)
        finally:
            self.transport.unregisterProducer()

    async def replies(self, count: int, *, phase: Phase, seconds: float) -> list[Reply]:
        """Return the next `count` replies, each within `seconds` of the one before.

        A 421 ends a session (RFC 5321 §3.8): it stands for the replies that never come.
        Raises SessionLost.
        """
        while len(self._replies) < count:
            last = self._replies[-1] if self._replies else None
            if last is not None and last.code == 421:
                self._replies.append(last)
            else:
                await self._more(phase, seconds)
        self._unread_bytes = 0
        return [self._replies.popleft() for _ in range(count)]

    def early_reply(self, phase: Phase) -> Reply | None:
        """Return a reply that came before it was asked for, None when all is quiet.

        Whoever hangs up may have said why. Raises SessionLost when the connection is gone
        without a word, or a reply has begun that is not whole.
        """
        if self._replies:
            return self._replies[0]
        if self._lost is not None:
            sentence, reason = self._lost
            raise SessionLost(phase, sentence, reason=reason)
        if self._lines:
            raise self.out_of_step(phase)
        return None

    def out_of_step(self, phase: Phase) -> SessionLost:
        """Return the fault of a server that answers what it was not asked."""
        sentence = f"{self.host} answered before it was asked"
        return SessionLost(phase, sentence, reason=Loss.NOT_SMTP)

    def start_tls(self, ca_file: Path | None) -> None:
        """Begin the TLS handshake; certificate and host name are verified.

        Raises SessionLost when it cannot begin, and when the server sent more than it was
        asked for: someone on the way may have put it there (RFC 3207 §6).
        """
        left_over = self.clearLineBuffer()  # type: ignore[no-untyped-call]  # Twisted's
        if left_over or not self.is_quiet:
            raise SessionLost(Phase.STARTTLS, f"{self.host} spoke before the TLS handshake")
        trust: Any = _Trust(ca_file)
        try:
            self.transport.startTLS(optionsForClientTLS(self.host, trustRoot=trust))
        except UnicodeError as error:  # such as an underscore in it
            sentence = f"{self.host} is not a name that a certificate can be for"
            raise SessionLost(Phase.STARTTLS, sentence, reason=Loss.NO_NAME) from error
        except SSL.Error as error:
            sentence = f"{ca_file}: cannot be used as a CA"
            raise SessionLost(Phase.STARTTLS, sentence, reason=Loss.CA_FILE) from error

    async def wait_until_secured(self, *, seconds: float) -> None:
        """Return when the handshake is done and the certificate is good; raises SessionLost."""
        while not self._is_secured or self.transport.disconnecting:
            await self._more(Phase.STARTTLS, seconds)

    def close(self) -> None:
        """End the connection after what was written."""
        if self._lost is None:
            self.transport.loseConnection()

    def abort(self) -> None:
        """End the connection now."""
        if self._lost is None:
            self.transport.abortConnection()

    def connectionMade(self) -> None:  # noqa: N802  (Twisted's name)
        """Send what is small at once: with Nagle's algorithm a message takes 40 ms more."""
        self.transport.setTcpNoDelay(True)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        """Collect the lines of a reply (RFC 5321 §4.2.1)."""
        if self._lost is not None:
            return  # what follows on nonsense is not believed
        self._lines.append(line[4:])
        self._unread_bytes += len(line)
        too_long = len(self._lines) > MAX_REPLY_LINES or self._unread_bytes > MAX_UNREAD_BYTES
        if too_long or not line[:3].isdigit():
            self._end(f"{self.host} does not speak SMTP", Loss.NOT_SMTP)
        elif line[3:4] != b"-":
            text = decode_reply(b"\n".join(self._lines))
            self._lines.clear()
            self._replies.append(parse_reply(int(line[:3]), text))
            self._tell()

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802
        """Refuse a line without end."""
        self._end(f"{self.host} does not speak SMTP: a line has no end", Loss.NOT_SMTP)

    def handshakeCompleted(self) -> None:  # noqa: N802
        """Wake who waits for TLS alone."""
        self._is_secured = True
        self._tell()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Remember why, and wake who waits."""
        if self._lost is None:
            self._lost = _why(self.host, reason.value)
        self._pace.stopProducing()
        self._tell()

    def _end(self, sentence: str, reason: Loss) -> None:
        self.abort()
        self._lost = self._lost or (sentence, reason)

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _more(self, phase: Phase, seconds: float) -> None:
        if self._lost is not None:
            sentence, reason = self._lost
            raise SessionLost(phase, sentence, reason=reason)
        self._news = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._news
        except TimeoutError as error:
            sentence = f"{self.host} did not answer within {seconds:g} s"
            raise SessionLost(phase, sentence, reason=Loss.SILENT) from error
        finally:
            self._news = None


class _Pace:
    """What the transport tells of its buffer (Twisted's IPushProducer)."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    async def wait(self, host: str, *, seconds: float) -> None:
        if self._free.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._free.wait()
        except TimeoutError as error:
            sentence = f"{host} took no data for {seconds:g} s"
            raise SessionLost(Phase.DATA, sentence, reason=Loss.SILENT) from error

    def pauseProducing(self) -> None:  # noqa: N802
        self._free.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._free.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._free.set()


class _Trust(OpenSSLDefaultPaths):
    """The system's authorities and, beside them, those of one file."""

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file

    def _addCACertsToContext(self, context: SSL.Context) -> None:  # noqa: N802  (its interface)
        super()._addCACertsToContext(context)  # type: ignore[no-untyped-call]  # Twisted's
        if self._ca_file is not None:
            context.load_verify_locations(str(self._ca_file))


async def _connect_to(host: str, address: str, port: int, *, seconds: float) -> Wire:
    from twisted.internet import reactor  # noqa: PLC0415  (importing it installs one)

    endpoint: Any = TCP4ClientEndpoint(reactor, address, port, timeout=seconds)  # and IPv6
    connected = endpoint.connect(Factory.forProtocol(lambda: Wire(host)))
    wire: Wire = await wait_for(connected, seconds=seconds)
    return wire


def _why(host: str, error: BaseException | None) -> tuple[str, Loss]:
    if isinstance(error, VerificationError):
        sentence = f"{host} showed a certificate that is not for this name"
        return sentence, Loss.WRONG_NAME
    if isinstance(error, SSL.Error):
        words = _openssl_words(error)
        return f"{host}: TLS failed: {words}", _tls_loss(words)
    return f"{host} closed the connection", Loss.CLOSED


def _tls_loss(words: str) -> Loss:
    if "certificate verify failed" in words:
        return Loss.UNTRUSTED
    return Loss.NOT_TLS if any(one in words for one in NOT_TLS_WORDS) else Loss.TLS


def _openssl_words(error: SSL.Error) -> str:
    rows = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(row[-1]) for row in rows) or "the server ended the handshake"
