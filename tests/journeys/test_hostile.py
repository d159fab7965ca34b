"""Hostile and broken clients against the real server, by raw sockets.

Each gets a clear reply and takes nothing with it: what was accepted stays, neighbours go on,
memory and files are bounded.
"""

from __future__ import annotations

import re
import resource
import socket
import sqlite3
import ssl
import struct
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from select import select

import pytest

from tests.bench.processes import held_bytes, peak_bytes
from tests.servers.gateway import Gateway

pytestmark = pytest.mark.servers

PASSWORD = "submission-password-0123456789"
SESSIONS = 700
CROWD = 1000
FEW_FILES = 256
IDLE_SECONDS = 3
MAX_BYTES = 1_000_000
SETTINGS = f"""
[submission]
idle_timeout_seconds = {IDLE_SECONDS}
max_message_bytes = {MAX_BYTES}
"""
CROWDED = f"""
[submission]
sessions = {SESSIONS}
sessions_per_address = {2 * CROWD}
"""
LARGE_BYTES, AT_ONCE_BYTES = 16 * 1024**2, 32 * 1024**2
LINES = (b"x" * 70 + b"\r\n") * 1000
ROOMY = f"""
[submission]
max_message_bytes = {LARGE_BYTES + 1024}
max_bytes_at_once = {AT_ONCE_BYTES}
"""
TENANT = """
tenant = "{name}"
[domains."{name}.example"]
[senders."support@{name}.example"]
[credentials.desk]
password_file = "submission-password"
"""
ENVELOPE = b"MAIL FROM:<support@acme.example>\r\nRCPT TO:<ann@example.net>\r\n"
BEGIN = ENVELOPE + b"DATA\r\n"
HEADER = b"From: support@acme.example\r\nSubject: first\r\n\r\n"
LETTER = HEADER + b"Hello\r\n"
END = b"\r\n.\r\n"
LOGIN = b"AUTH PLAIN " + b64encode(f"\0acme.desk\0{PASSWORD}".encode()) + b"\r\n"
STATES = {
    "before a command": b"",
    "within a command": b"EHL",
    "after a greeting": b"EHLO desk\r\n",
    "within a sign-in": b"EHLO desk\r\nAUTH LOGIN\r\n",
    "signed in": b"EHLO desk\r\n" + LOGIN,
    "after MAIL": b"EHLO desk\r\n" + LOGIN + ENVELOPE[:34],
    "after RCPT": b"EHLO desk\r\n" + LOGIN + ENVELOPE,
    "after DATA": b"EHLO desk\r\n" + LOGIN + BEGIN,
    "within the content": b"EHLO desk\r\n" + LOGIN + BEGIN + LETTER,
    "within the end": b"EHLO desk\r\n" + LOGIN + BEGIN + LETTER + b"\r\n.\r",
}


class Client:
    """A connection that sends what it is told, and reads one reply after another."""

    def __init__(self, port: int, *, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=20, source_address=(source, 0)
        )
        self.stream = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> str:
        """Return the last line of the next reply, empty when the server has hung up."""
        try:
            while (line := self.stream.readline().decode())[3:4] == "-":
                continue
        except ConnectionError:
            return ""
        return line.rstrip("\r\n")

    def say(self, data: bytes) -> str:
        self.send(data)
        return self.reply()

    def rest(self) -> list[str]:
        """Return all further replies until the server hangs up."""
        return list(iter(self.reply, ""))

    def close(self, *, rudely: bool = False) -> None:
        """Hang up, with a reset where it is done rudely."""
        if rudely:
            linger = struct.pack("ii", 1, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.stream.close()
        self.socket.close()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """A gateway with two tenants whose mail waits, and little patience."""
    with started(SETTINGS, "acme", "zeta") as server:
        yield server


@pytest.fixture
def crowded() -> Iterator[Gateway]:
    """A gateway that takes some hundred sessions, and began with fewer files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, hard))  # it raises that itself
    with started(CROWDED, "acme") as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * CROWD)), hard))
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def roomy() -> Iterator[Gateway]:
    """A gateway that takes some large messages at a time."""
    with started(ROOMY, "acme") as server:
        yield server


@contextmanager
def started(settings: str, *tenants: str) -> Iterator[Gateway]:
    """A gateway with tenants whose mail waits: they have no upstream."""
    server = Gateway(more=settings, is_cold=True)
    try:
        for name in tenants:
            server.apply(TENANT.format(name=name), **{"submission-password": PASSWORD})
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    """A client of acme that has signed in."""
    made = signed_in(gateway)
    yield made
    made.close()


def signed_in(gateway: Gateway, *, source: str = "127.0.0.1") -> Client:
    made = Client(gateway.plain, source=source)
    assert made.reply().startswith("220 ")
    assert made.say(b"EHLO desk\r\n").startswith("250 ")
    assert made.say(LOGIN).startswith("235 2.7.0 ")
    return made


def submit(client: Client) -> None:
    client.send(BEGIN + LETTER + END)
    assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "354", "250"]


def accepted(gateway: Gateway) -> int:
    """How many messages were ever taken; asked of the file, which takes no time."""
    with closing(sqlite3.connect(gateway.home / "state/gateway.db")) as db:
        return int(db.execute("SELECT count(*) FROM message").fetchone()[0])


@pytest.mark.parametrize(
    "end",
    [
        b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r",
        b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
    ],
)  # fmt: skip
def test_no_second_message_is_smuggled_in_the_first(
    gateway: Gateway, client: Client, end: bytes
) -> None:
    """RFC 5321 §4.1.1.4: the end is CRLF.CRLF alone, and what is not sound is refused."""
    before = accepted(gateway)
    client.send(BEGIN + LETTER + end + BEGIN + LETTER + END + b"NOOP\r\n")
    replies = [client.reply() for _ in range(5)]
    assert [one[:3] for one in replies[:3]] == ["250", "250", "354"]
    assert replies[3].startswith("550 5.6.0 ")
    assert replies[4].startswith("250 2.0.0 ")
    assert accepted(gateway) == before


@pytest.mark.parametrize("more", [b"NOOP\r\n", BEGIN, b"\x16\x03\x01", b"EHLO evil\r\n"])
def test_what_stands_behind_starttls_is_not_obeyed(gateway: Gateway, more: bytes) -> None:
    """RFC 3207 §4.2: it may have been put there on the way."""
    client = Client(gateway.starttls)
    client.send(b"EHLO desk\r\nSTARTTLS\r\n" + more)
    assert [one[:9] for one in client.rest()] == ["220 gatew", "250 START", "501 5.5.1"]
    client.close()


def test_nobody_signs_in_before_tls(gateway: Gateway) -> None:
    client = Client(gateway.starttls)
    client.send(b"EHLO desk\r\n")
    assert [client.reply()[:3] for _ in range(2)] == ["220", "250"]
    assert client.say(LOGIN).startswith("538 5.7.11 ")
    assert client.say(ENVELOPE[:34]).startswith("530 5.7.0 ")
    client.send(b"STARTTLS\r\n")
    assert client.reply().startswith("220 2.0.0 ")
    trust = ssl.create_default_context(cafile=gateway.home / "state/ca.pem")
    with trust.wrap_socket(client.socket, server_hostname="localhost") as secured:
        secured.sendall(b"EHLO desk\r\n" + LOGIN)
        said = b""
        while b"235 2.7.0" not in said:
            said += secured.recv(4096)
        assert b"STARTTLS" not in said


def test_a_sign_in_without_end_is_bounded_in_bytes_and_in_tries(gateway: Gateway) -> None:
    client = Client(gateway.plain, source="127.0.0.9")  # whose tries count by address
    client.send(b"EHLO desk\r\nAUTH LOGIN\r\n")
    assert [client.reply()[:3] for _ in range(3)] == ["220", "250", "334"]
    assert client.say(b"A" * 10_000_000 + b"\r\n").startswith("500 5.5.6 ")
    client.send(b"AUTH PLAIN AGEAYg==\r\n" * 100)
    codes = Counter(one[:9] for one in client.rest())
    assert codes["535 5.7.8"] == 10
    assert codes["454 4.7.0"] >= 1
    assert codes["421 4.7.0"] == 1
    assert sum(codes.values()) < 30
    client.close()


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"NOOP " + b"x" * 2_000_000 + b"\r\n", "500 5.5.2 "),
        (b"MAIL FROM:<support@acme.example> \0\r\n", "500 5.5.2 "),
        (b"MAIL FROM:<support@acme.example>\nRCPT TO:<a@b.example>\r\n", "500 5.5.2 "),
        (b"MAIL FROM:<support@acme.example>\rRCPT TO:<a@b.example>\r\n", "500 5.5.2 "),
        (b"GET / HTTP/1.1\r\n", "500 5.5.1 "),
        (b"\xff\xfe\x00\x01\r\n", "500 5.5.2 "),
        (b"MAIL FROM:<> SIZE=2000000\r\n", "552 5.3.4 "),
        (b"RCPT TO:<" + b"a" * 300 + b"@b.example>\r\n", "503 5.5.1 "),
    ],
)
def test_a_broken_command_is_answered_and_the_session_goes_on(
    client: Client, sent: bytes, reply: str
) -> None:
    assert client.say(sent).startswith(reply)
    submit_after_reset(client)


def submit_after_reset(client: Client) -> None:
    """Whatever was refused, the next message of the session is taken."""
    client.send(b"RSET\r\nNOOP\r\n")
    replies = [client.reply()]
    while not replies[-1].startswith("250 "):
        replies.append(client.reply())
    client.reply()
    submit(client)


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"From: support@zeta.example\r\n\r\nHi", "550 5.7.1 "),
        (b"From: support@acme.example, support@zeta.example\r\n\r\nHi", "5"),
        (HEADER.replace(b"\r\n\r\n", b"\r\nFrom: a@zeta.example\r\n\r\n"), "5"),
        (b"no header at all", "5"),
        (HEADER + b"x" * 3000, "550 5.6.0 "),
        (HEADER + b"a\0b", "550 5.6.0 "),
        (HEADER + b"x\r\n" * 400_000, "552 5.3.4 "),
        (b"X: " + b"y\r\n " * 90_000 + b"\r\n" + HEADER, "552 5.3.4 "),
    ],
)
def test_a_message_that_is_not_right_is_refused_with_a_reason(
    client: Client, content: bytes, reply: str
) -> None:
    client.send(BEGIN + content + END)
    assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    refused = client.reply()
    assert re.fullmatch(r"5\d\d 5\.\d+\.\d+ .{15,}", refused)
    assert refused.startswith(reply)
    submit(client)


def test_a_client_that_stalls_in_any_state_is_told_and_let_go(gateway: Gateway) -> None:
    before = accepted(gateway)
    clients = {state: Client(gateway.plain) for state in STATES}
    for state, client in clients.items():
        client.send(STATES[state])
    for state, client in clients.items():
        assert client.rest()[-1].startswith("421 4.4.2 "), state
        client.close()
    assert accepted(gateway) == before


@pytest.mark.parametrize("rudely", [True, False])
def test_a_client_that_vanishes_in_any_state_leaves_nothing(
    gateway: Gateway, client: Client, rudely: bool
) -> None:
    before = accepted(gateway)
    for port in (gateway.plain, gateway.starttls, gateway.tls):
        for said in STATES.values():
            gone = Client(port)
            gone.send(said)
            gone.close(rudely=rudely)
    submit(client)
    assert accepted(gateway) == before + 1


def test_a_thousand_connections_at_once_leave_room_for_who_has_signed_in(
    crowded: Gateway,
) -> None:
    """Those above the limit are told; files are not short, memory is bounded."""
    neighbour = signed_in(crowded, source="127.0.0.2")
    before = held_bytes(pid_of(crowded))
    with ExitStack() as ending:
        crowd = [Client(crowded.plain) for _ in range(CROWD)]
        for one in crowd:
            ending.callback(one.close)
        submit(neighbour)
        greetings = Counter(one.reply()[:9] for one in crowd)
        assert greetings["421 4.7.0"] >= CROWD - SESSIONS
        assert greetings["220 gatew"] >= SESSIONS - 100
        assert sum(greetings.values()) == greetings["421 4.7.0"] + greetings["220 gatew"]
        submit(neighbour)
        for one in crowd:
            pour(one)
        submit(neighbour)
        assert held_bytes(pid_of(crowded)) - before < SESSIONS * 400_000
    neighbour.close()
    assert "Traceback" not in crowded.log()
    late = signed_in(crowded)
    submit(late)
    late.close()


def test_many_large_messages_at_once_need_the_memory_of_some(roomy: Gateway) -> None:
    """Who has no room waits with what it has not sent yet; small mail goes by."""
    neighbour = signed_in(roomy)
    submit(neighbour)
    before = peak_bytes(pid_of(roomy))
    with ExitStack() as ending:
        crowd = [signed_in(roomy) for _ in range(20)]
        for one in crowd:
            ending.callback(one.close)
            one.send(BEGIN + HEADER)
            assert [one.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
            one.socket.setblocking(False)
        assert pour_all(crowd, LARGE_BYTES, least=AT_ONCE_BYTES) >= AT_ONCE_BYTES
        submit(neighbour)
        assert peak_bytes(pid_of(roomy)) - before < 2 * AT_ONCE_BYTES
    neighbour.close()


def pour_all(clients: list[Client], most_bytes: int, *, least: int) -> int:
    """Send so much by each client, as far as the server takes it; return how much that was.

    Once it was `least` in all, a server that takes nothing for a moment takes no more.
    """
    left = {one.socket: most_bytes for one in clients}
    poured = 0
    while ready := select([], list(left), [], 0.5 if poured >= least else 20.0)[1]:
        for one in ready:
            sent = one.send(LINES[: left[one]])
            poured, left[one] = poured + sent, left[one] - sent
            if not left[one]:
                del left[one]
    return poured


def pour(client: Client) -> None:
    """Send a command without an end, as much as the server takes at once."""
    client.socket.setblocking(False)
    try:
        client.socket.send(b"x" * 1_000_000)
    except OSError:
        return


def pid_of(gateway: Gateway) -> int:
    """Return the first of its processes, which the others are below."""
    assert gateway.process is not None
    return gateway.process.pid
