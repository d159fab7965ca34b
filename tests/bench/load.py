"""A load of SMTP sessions, in C: as little work a message as can be.

Each session signs in once a connection. The time to 250 is taken from the final dot to the
reply to it. gcc and OpenSSL's headers (libssl-dev) are needed.
"""

from __future__ import annotations

import atexit
import base64
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

SENDER = "support@acme.example"
RECIPIENT = "ann@example.net"
SOURCE = Path(__file__).with_suffix(".c")


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
    login = base64.b64encode(f"\0{load.username}\0{load.password}".encode()).decode()
    numbers = (load.messages, load.sessions, int(load.reuse), int(load.tls))
    printed = subprocess.run(
        [program(), str(load.port), login, *map(str, numbers)],
        input=message_of(load.size_bytes),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode("ascii", "replace")
    measured = Measured()
    for line in printed.splitlines():
        word, _, rest = line.partition(" ")
        if word == "wall":
            measured.wall_seconds = float(rest)
            continue
        measured.to_250_seconds.append(int(word) / 1e6)
        if rest:
            measured.refused.append(rest)
    return measured


@cache
def program() -> Path:
    """Compile the load; return where it lies until this process ends."""
    home = tempfile.mkdtemp(prefix="bench-load-")
    atexit.register(shutil.rmtree, home)
    path = Path(home) / "load"
    subprocess.run(
        ["gcc", "-O2", "-o", str(path), str(SOURCE), "-lssl", "-lpthread"], check=True
    )
    return path


def message_of(size_bytes: int) -> bytes:
    """Return a message of about that size, CRLF line ends."""
    header = (
        f"From: Support <{SENDER}>\r\nTo: Ann <{RECIPIENT}>\r\nSubject: Your order 4711\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    ).encode()
    line = b"Dear Ann, your order is on its way and will arrive within two days.\r\n"
    return header + line * max(1, (size_bytes - len(header)) // len(line))
