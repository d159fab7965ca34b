"""IMAP on one socket: the standard library's protocol under imapclient, made ours.

imapclient lets a connection be given to it by `_create_IMAP4`. Ours differs in five points:
the event loop connects it, so a host that swallows connections holds no thread; a refusal
keeps the server's bytes (QQ and Exmail write GBK, which the library would lose); bytes are
read into a buffer of our own, so that the event loop can look whether an answer is whole;
no line, literal or answer is without end; and bytes injected ahead of STARTTLS are an error
(RFC 9051 §11.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.mail.tenant import Security
from gateway.net.tls import shared_context

CONNECT_SECONDS = 20.0
READ_SECONDS = 60.0
MAX_LINE_BYTES = 1024 * 1024  # an answer listing many folders or flags is one line
MAX_LITERAL_BYTES = 160 * 1024 * 1024
MAX_ANSWER_BYTES = 256 * 1024 * 1024  # to one command: the list of a million messages has 80
BLOCK_BYTES = 256 * 1024

Address = tuple[Any, ...]  # as `socket.getaddrinfo` has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an IMAP server is, and how it is spoken to.

    `host` is what its certificate is for; `address`, where given, is what it resolved to
    and what is connected. `ca_files` are trusted beside the system's authorities.
    """

    host: str
    port: int = 993
    security: Security = Security.TLS
    address: str | None = None
    ca_files: tuple[str, ...] = ()
    read_seconds: float = READ_SECONDS  # a server that is silent for longer is gone
    answer_bytes: int = MAX_ANSWER_BYTES  # one that says more to a command never ends

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Refusal(Exception):
    """A NO, BAD or BYE of the server, with its text as it came."""

    def __init__(self, code: str, text: bytes) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


class Wire(imaplib.IMAP4):
    """A connected and greeted server. Blocks, so it is for a thread of a pool.

    Raises Refusal for what the server refuses, OSError or imaplib's abort for what the
    network does. Only one thread may use it at a time; `hang_up` is for any thread.
    """

    def __init__(self, endpoint: Endpoint, connected: socket.socket) -> None:
        self._endpoint = endpoint
        self._connected = connected
        self._buffer = bytearray()
        self._answer_bytes = 0  # since the last command
        self._exists = 0  # messages in the open folder, as last told
        self._has_arrivals = False  # since the folder was last listed
        try:
            super().__init__(endpoint.host, endpoint.port)
        except Refusal:
            raise
        except imaplib.IMAP4.error as error:
            self._explain_greeting(error)

    @property
    def tagre(self) -> Any:  # the library's stubs have it of text
        """What ends an answer: the library's, but an "OK" that no text follows is one, too."""
        return self._end_of_answer

    @tagre.setter
    def tagre(self, _: Any) -> None:
        tag: Any = self.tagpre  # bytes, whatever the stubs say
        self._end_of_answer = re.compile(
            rb"(?P<tag>%b\d+) (?P<type>[A-Z]+) ?(?P<data>.*)" % tag
        )

    def open(
        self,
        host: str = "",
        port: int = 143,
        timeout: float | None = None,
    ) -> None:
        """Take the connected socket, with TLS from the first byte where the endpoint says so.

        The arguments are the library's; ours is the endpoint.
        """
        del host, port, timeout
        self.sock = self._connected
        self.sock.settimeout(self._endpoint.read_seconds)
        if self._endpoint.security is Security.TLS:
            self._wrap()

    def read(self, size: int) -> bytes:
        """Return the `size` bytes of a literal."""
        if size > MAX_LITERAL_BYTES:
            raise self.abort(f"a literal of {size} bytes")
        while len(self._buffer) < size:
            self._fill()
        return self._take(size)

    def readline(self) -> bytes:
        """Return one line with its end."""
        seen = 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if seen > MAX_LINE_BYTES:
                raise self.abort(f"a line of more than {MAX_LINE_BYTES} bytes")
            self._fill()
        return self._take(end + 1)

    def shutdown(self) -> None:
        """Close the connection."""
        self.hang_up()
        self.sock.close()

    def hang_up(self) -> None:
        """End the connection, so that a thread that waits for it comes back."""
        shut(self.sock)

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        """Go over to TLS by the endpoint's context; raises Refusal or ssl.SSLError."""
        del ssl_context
        answer = self._simple_command("STARTTLS")
        if self._buffer:
            raise self.abort("bytes were sent ahead of the TLS handshake")
        self._wrap()
        self._tls_established = True
        self._get_capabilities()
        return answer

    def identify(self, fields: dict[str, str]) -> None:
        """Say who we are (RFC 2971); `fields` must not be empty."""
        words = " ".join(self._quote(word) for pair in fields.items() for word in pair)
        self._simple_command("ID", f"({words})")

    def sign_in(self, username: str, password: str) -> None:
        """LOGIN with quoted strings: Exmail refuses literals."""
        self._simple_command("LOGIN", self._quote(username), self._quote(password))
        self.state = "AUTH"

    def sign_in_by_token(self, username: str, token: str) -> None:
        """AUTHENTICATE XOAUTH2. A reason comes as a challenge before the refusal, which an
        empty line asks for."""
        said = f"user={username}\1auth=Bearer {token}\1\1".encode()
        self.authenticate("XOAUTH2", lambda why: b"" if why else said)

    def is_empty(self) -> bool:
        """Whether the server says that nothing lies in the open folder."""
        return self._exists <= 0

    def list_above(self, uid: int, items: str) -> list[Any]:
        """FETCH `items` of what is above `uid`; imapclient takes no open ranges."""
        self._has_arrivals = False  # what comes while the list is made may not be in it
        answer: tuple[str, list[Any]] = self.uid("FETCH", f"{uid + 1}:*", items)
        return answer[1]

    def _log(self, line: str) -> None:
        """Keep no copy of what was said: the library would keep the last LOGIN."""

    def _get_tagged_response(self, tag: bytes, expect_bye: bool = False) -> Any:
        library: Any = super()  # its stubs leave out what is not public
        typ, lines = library._get_tagged_response(tag, expect_bye)
        if typ in ("NO", "BAD"):
            raise Refusal(typ, _bytes_of(lines))
        return typ, lines

    def _append_untagged(self, typ: str, dat: bytes) -> None:
        if typ == "EXISTS" and dat.isdigit():
            self._has_arrivals |= int(dat) > self._exists
            self._exists = int(dat)
        elif typ == "EXPUNGE":
            self._exists -= 1
        library: Any = super()
        library._append_untagged(typ, dat)

    def _check_bye(self) -> None:
        if lines := self.untagged_responses.get("BYE"):
            raise Refusal("BYE", _bytes_of(lines))

    def _explain_greeting(self, error: imaplib.IMAP4.error) -> NoReturn:
        self._check_bye()
        if isinstance(error, imaplib.IMAP4.abort):
            raise error
        raise self.abort("its greeting is none of an IMAP server") from error

    def _wrap(self) -> None:
        context = shared_context(self._endpoint.ca_files)
        self.sock = context.wrap_socket(self.sock, server_hostname=self._endpoint.host)

    def _fill(self) -> None:
        block = self.sock.recv(BLOCK_BYTES)
        if not block:
            self._check_bye()
            raise self.abort("the server hung up")
        self._buffer += block

    def _command(self, name: str, *args: Any) -> Any:
        self._answer_bytes = 0
        library: Any = super()
        return library._command(name, *args)

    def _take(self, size: int) -> bytes:
        self._answer_bytes += size
        if self._answer_bytes > self._endpoint.answer_bytes:
            raise self.abort(f"an answer of more than {self._endpoint.answer_bytes} bytes")
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken


def look_up(endpoint: Endpoint) -> Sequence[Address]:
    """Return the addresses to connect to; blocks, and raises OSError."""
    host = endpoint.address or endpoint.host
    return socket.getaddrinfo(host, endpoint.port, type=socket.SOCK_STREAM)


async def dial(endpoint: Endpoint, addresses: Sequence[Address]) -> socket.socket:
    """Return a connected socket, the first of `addresses` that answers; raises OSError."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError(f"{endpoint.host} has no address")
    for family, kind, protocol, _, target in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            async with asyncio.timeout(CONNECT_SECONDS):
                await loop.sock_connect(connection, target)
        except OSError as error:  # a time-out is one
            connection.close()
            failure = error
        except asyncio.CancelledError:
            connection.close()
            raise
        else:
            return connection
    raise failure


def shut(connection: socket.socket) -> None:
    """End a connection from any thread, TLS or not."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def why(error: Exception) -> str:
    """Return in a few words why a connection failed; never holds what was said on it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"  # asyncio has words of its own for it
    if isinstance(error, OSError):
        return error.strerror or "the connection failed"
    return str(error)


def _bytes_of(lines: list[Any]) -> bytes:
    last = lines[-1] if lines else b""
    return last if isinstance(last, bytes) else b""
