"""A running submission stage on loopback, and a client that sends exactly what it is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.config import ListenerSettings, SubmissionSettings
from gateway.mail.address import Address
from gateway.mail.delivery import Outgoing
from gateway.mail.envelope import Refused
from gateway.mail.reply import Reply
from gateway.mail.suppression import Suppression
from gateway.mail.tenant import Credential, Domain, Security, Sender, Tenant, Upstream
from gateway.net.tls import ServerTls, client_context, own_certificate
from gateway.submission.listener import Listeners, open_sockets
from gateway.submission.login import Login, SignIn
from gateway.submission.room import Room
from gateway.submission.session import Conversation, Desk
from gateway.submission.tally import Tally

T = TypeVar("T")
PASSWORD = "correct-horse-battery-staple"
SECONDS = 60.0
WAIT_SECONDS = 0.2  # for room in memory

ACME = Tenant(
    id="acme",
    domains={"acme.example": Domain(name="acme.example")},
    senders={
        "support@acme.example": Sender(
            address="support@acme.example", name="Acme Support", upstream="own"
        ),
        "waits@acme.example": Sender(address="waits@acme.example"),
    },
    upstreams={"own": Upstream(name="own", provider="generic", max_message_bytes=50_000)},
    credentials={
        "zammad": Credential(name="zammad"),
        "far": Credential(name="far", networks=("192.0.2.0/24",)),
    },
)


@dataclass(frozen=True)
class Kept:
    tenant: str
    username: str
    hashed: str
    networks: tuple[str, ...] = ()
    messages_per_hour: int | None = None


CREDENTIALS = {
    "acme.zammad": Kept("acme", "acme.zammad", PASSWORD),
    "acme.far": Kept("acme", "acme.far", PASSWORD, networks=("192.0.2.0/24",)),
    "acme.gone": Kept("acme", "acme.gone", PASSWORD),
}


@dataclass
class Stage:
    """The stage under test; `accepted` is what it handed over."""

    state: Path
    settings: SubmissionSettings
    loop: asyncio.AbstractEventLoop
    support: str | None = None
    now: float = 1000.0
    accepted: list[Outgoing] = field(default_factory=list)
    suppressed: dict[tuple[str, str], Suppression] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    credentials: dict[str, Kept] = field(default_factory=lambda: dict(CREDENTIALS))
    waiting: int = 0
    watch: Callable[[], object] = lambda: None
    fault: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    listeners: Listeners = field(init=False)
    ports: list[int] = field(init=False)
    room: Room = field(init=False)

    def __post_init__(self) -> None:
        self.gate.set()
        certificate = own_certificate(self.state, "gateway.example", now=datetime.now(UTC))
        tally = Tally.alone()
        sign_in = SignIn(
            self.find_credential,
            lambda password, hashed: password == hashed,
            auth_failures=self.settings.auth_failures,
            clock=lambda: self.now,
            tally=tally,
        )
        desk = Desk(
            hostname="gateway.example",
            sign_in=sign_in,
            sign_in_again=sign_in.again,
            find_tenant={"acme": ACME}.get,
            upstream_max_bytes=lambda upstream: upstream.max_message_bytes,
            find_suppression=self.find_suppression,
            note_refusal=self.note_refusal,
            accept=self.accept,
        )
        self.room = Room(self.settings.max_bytes_at_once, wait_seconds=WAIT_SECONDS)
        sockets = open_sockets(self.settings)
        self.ports = [one.getsockname()[1] for one in sockets]
        self.listeners = Listeners(
            self.settings,
            Conversation(desk),
            sockets=sockets,
            hostname="gateway.example",
            support=self.support,
            tls=ServerTls(certificate),
            room=self.room,
            tally=tally,
        )

    async def find_credential(self, username: str) -> Kept | None:
        return self.credentials.get(username)

    def find_suppression(self, tenant: str, address: Address) -> Suppression | None:
        return self.suppressed.get((tenant, address.key))

    async def note_refusal(self, refused: Refused) -> None:
        self.refused.append(refused)

    async def accept(self, outgoing: Outgoing, login: Login) -> Reply:
        assert login.credential == outgoing.credential
        self.waiting += 1
        self.watch()
        await self.gate.wait()
        if self.fault:
            raise self.fault
        self.accepted.append(outgoing)
        return Reply(250, "2.0.0", f"queued as {outgoing.id}")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.begin(work).result(SECONDS)

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def call(self, work: Callable[[], object]) -> None:
        self.loop.call_soon_threadsafe(work)

    def port(self, security: Security = Security.NONE) -> int:
        wanted = [one.security for one in self.settings.listeners].index(security)
        return self.ports[wanted]

    @property
    def trust(self) -> ssl.SSLContext:
        return client_context([self.state / "ca.pem"])

    def connect(self, security: Security = Security.NONE) -> Client:
        connection = socket.create_connection(("127.0.0.1", self.port(security)), SECONDS)
        return Client(connection)

    def signed_in(self) -> Client:
        client = self.connect()
        client.read()
        client.say("EHLO desk.example")
        assert client.say(auth_plain("acme.zammad")).startswith("235 ")
        return client

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            self.run(asyncio.sleep(0.005))


class Client:
    """One connection; replies are returned as text, lines joined by LF."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def say(self, line: str) -> str:
        self.send(line.encode() + b"\r\n")
        return self.read()

    def read(self) -> str:
        """Return the next reply; an empty text when the server has closed."""
        lines = []
        while line := self.read_line():
            lines.append(line)
            if line[3:4] != "-":
                break
        return "\n".join(lines)

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def close(self) -> None:
        self.socket.close()

    def read_line(self) -> str:
        while b"\r\n" not in self._buffer:
            try:
                block = self.socket.recv(65536)
            except ConnectionError:
                return ""
            if not block:
                return ""
            self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line.decode()


def auth_plain(username: str, password: str = PASSWORD) -> str:
    return "AUTH PLAIN " + b64encode(f"\0{username}\0{password}".encode()).decode()


def default_settings() -> SubmissionSettings:
    return SubmissionSettings(
        max_message_bytes=100_000,  # type: ignore[arg-type]
        max_recipients=3,
        listeners=tuple(
            ListenerSettings(address="127.0.0.1:0", security=one)
            for one in (Security.STARTTLS, Security.TLS, Security.NONE)
        ),
    )


@pytest.fixture(autouse=True)
def no_noise(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test after which asyncio or the library has something to complain about."""
    yield
    loud = [one for one in caplog.get_records("call") if one.name in ("asyncio", "mail.log")]
    assert [one.getMessage() for one in loud] == []


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever, daemon=True)
    thread.start()
    yield running
    running.call_soon_threadsafe(running.stop)
    thread.join()


@pytest.fixture
def open_stage(
    loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Stage]]:
    """A function that starts a stage with changed settings."""
    stages: list[Stage] = []

    def opened(*, support: str | None = None, **changes: Any) -> Stage:
        settings = replace(default_settings(), **changes)
        state = tmp_path_factory.getbasetemp() / "state"
        stage = Stage(state, settings, loop, support=support)
        stages.append(stage)
        stage.run(stage.listeners.start())
        return stage

    yield opened
    for stage in stages:
        stage.run(stage.listeners.stop(seconds=0))


@pytest.fixture
def stage(open_stage: Callable[..., Stage]) -> Stage:
    return open_stage()
