"""A load of SMTP sessions on blocking sockets: as little work a message as can be.

Each session signs in once a connection. The time to 250 is taken from the final dot to the
reply to it.
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field

SENDER = "support@acme.example"
RECIPIENT = "ann@example.net"
TLS = ssl.create_default_context()
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE  # both sides alike
TICKETS: dict[int, ssl.SSLSession] = {}  # by port


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent to `port`: how many messages of how many bytes, over how many sessions."""

    port: int
    username: str
    password: str
    messages: int
    size_bytes: int
    sessions: int = 20
    reuse: bool = False  # one connection a session, else one a message
    tls: bool = False  # STARTTLS before the sign-in, sessions resumed where they can be


@dataclass(slots=True)
class Measured:
    """What a load saw: the time to each 250, and how long all of it took."""

    to_250_seconds: list[float] = field(default_factory=list)
    wall_seconds: float = 0.0
    refused: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return the time to 250 that `share` of the messages stayed under, in seconds."""
        ordered = sorted(self.to_250_seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run(load: Load) -> Measured:
    """Send the load; return what was measured."""
    measured = Measured()
    left = iter(range(load.messages))
    lock = threading.Lock()
    content = message_of(load.size_bytes)

    def session() -> None:
        connection: Connection | None = None
        while True:
            with lock:
                if next(left, None) is None:
                    break
            connection = connection or Connection(load)
            seconds, reply = connection.send(content)
            with lock:
                measured.to_250_seconds.append(seconds)
                if not reply.startswith(b"250"):
                    measured.refused.append(reply.decode("ascii", "replace"))
            if not load.reuse:
                connection.quit()
                connection = None
        if connection:
            connection.quit()

    threads = [threading.Thread(target=session) for _ in range(load.sessions)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measured.wall_seconds = time.monotonic() - begun
    return measured


def message_of(size_bytes: int) -> bytes:
    """Return a message of about that size, CRLF line ends."""
    header = (
        f"From: Support <{SENDER}>\r\nTo: Ann <{RECIPIENT}>\r\nSubject: Your order 4711\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    ).encode()
    line = b"Dear Ann, your order is on its way and will arrive within two days.\r\n"
    return header + line * max(1, (size_bytes - len(header)) // len(line))


class Connection:
    """One signed-in SMTP connection."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._socket: socket.socket = socket.create_connection(
            ("127.0.0.1", load.port), timeout=120
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")
        self._greet(load)
        token = base64.b64encode(f"\0{load.username}\0{load.password}".encode()).decode()
        self._command(f"AUTH PLAIN {token}", b"235")

    def _greet(self, load: Load) -> None:
        self._expect(b"220")
        self._command("EHLO bench.example", b"250")
        if load.tls:
            self._command("STARTTLS", b"220")
            self._reader.close()
            self._socket = TLS.wrap_socket(self._socket, session=TICKETS.get(load.port))
            self._reader = self._socket.makefile("rb")
            self._command("EHLO bench.example", b"250")

    def send(self, content: bytes) -> tuple[float, bytes]:
        """Send one message; return the time to the last reply and that reply."""
        self._command(f"MAIL FROM:<{SENDER}>", b"250")
        self._command(f"RCPT TO:<{RECIPIENT}>", b"250")
        self._command("DATA", b"354")
        self._socket.sendall(content + b".\r\n")
        begun = time.monotonic()
        reply = self._reply()
        return time.monotonic() - begun, reply

    def quit(self) -> None:
        """Say goodbye."""
        self._command("QUIT", b"221")
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.session:
            TICKETS[self._load.port] = self._socket.session
        self._reader.close()
        self._socket.close()

    def _command(self, line: str, code: bytes) -> None:
        self._socket.sendall(line.encode() + b"\r\n")
        self._expect(code)

    def _expect(self, code: bytes) -> None:
        reply = self._reply()
        if not reply.startswith(code):
            raise ConnectionError(f"expected {code!r}, got {reply!r}")

    def _reply(self) -> bytes:
        while True:
            line = self._reader.readline()
            if not line:
                raise ConnectionError("the server closed the connection")
            if line[3:4] != b"-":
                return line
