"""Processes that take mail beside the server: one that dies is replaced, none outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import smtplib
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.app.workers import Workers, count_workers
from gateway.config import ConfigError, ServerSettings, Settings
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until

PASSWORD = "a-password-of-more-than-twenty-characters"
SESSIONS, FAILURES = 15, 10
TENANT = """
tenant = "acme"
[domains."acme.example"]
[senders."support@acme.example"]
[credentials.desk]
password_file = "desk-password"
messages_per_hour = 12
"""
LETTER = "From: support@acme.example\r\nTo: ann@example.org\r\n\r\nHello\r\n"


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    found = Gateway(more=f"[submission]\nsessions_per_address = {SESSIONS}\n", workers=3)
    found.apply(TENANT, **{"desk-password": PASSWORD})
    found.start()
    yield found
    found.close()


def send(gateway: Gateway) -> int:
    """Hand in one mail over a connection of its own; return the code of the final reply."""
    with smtplib.SMTP("127.0.0.1", gateway.plain, timeout=30) as client:
        client.login("acme.desk", PASSWORD)
        client.mail("support@acme.example")
        client.rcpt("ann@example.org")
        return client.data(LETTER)[0]


def workers_of(gateway: Gateway) -> list[int]:
    """Return the processes that take mail, as the system knows them."""
    assert gateway.process is not None
    found: list[int] = []
    for task in Path(f"/proc/{gateway.process.pid}/task").glob("*/children"):
        with suppress(OSError):  # this thread has just ended
            found.extend(map(int, task.read_text().split()))
    return [pid for pid in found if b"--take-mail" in command_of(pid)]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_worker_that_dies_is_replaced_and_nothing_is_lost(gateway: Gateway) -> None:
    before = workers_of(gateway)
    assert len(before) == 2
    assert send(gateway) == 250
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: len(set(workers_of(gateway)) - set(before)) == 2,
        what=lambda: f"two new workers\n{gateway.log()}",
    )
    assert send(gateway) == 250
    assert len(gateway.json("queue", "list")) == 2
    assert "server.worker_ended" in gateway.log()


def test_no_worker_outlives_a_server_that_was_killed(gateway: Gateway) -> None:
    before = workers_of(gateway)
    gateway.kill()
    wait_until(
        lambda: not any(b"--take-mail" in command_of(pid) for pid in before),
        what=lambda: "the end of the workers",
    )
    gateway.start()
    assert send(gateway) == 250


def test_the_rate_of_a_login_holds_for_all_workers_and_across_a_restart(
    gateway: Gateway,
) -> None:
    assert [send(gateway) for _ in range(8)] == [250] * 8
    assert gateway.stop() == 0
    gateway.start()
    assert [send(gateway) for _ in range(6)] == [250] * 4 + [450] * 2


def test_the_limits_of_an_address_hold_for_all_workers_together(gateway: Gateway) -> None:
    """Sessions that end with their worker are free again; failed sign-ins stay counted."""
    assert [sign_in(gateway, "wrong") for _ in range(FAILURES)] == [535] * FAILURES
    assert [sign_in(gateway, PASSWORD) for _ in range(4)] == [454] * 4
    before = workers_of(gateway)
    held = [session(gateway) for _ in range(SESSIONS)]
    assert [greeting(gateway) for _ in range(4)] == [b"421 "] * 4
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: greeting(gateway) == b"220 ", what=gateway.log)
    for one in held:
        one.close()
    assert sign_in(gateway, PASSWORD) == 454


def session(gateway: Gateway) -> socket.socket:
    """Return a session that stays; one that ended is counted until its end is told to all."""
    found: list[socket.socket] = []

    def is_let_in() -> bool:
        client = socket.create_connection(("127.0.0.1", gateway.plain))
        if client.recv(4) != b"220 ":
            client.close()
            return False
        found.append(client)
        return True

    wait_until(is_let_in, what=gateway.log)
    return found[0]


def greeting(gateway: Gateway) -> bytes:
    """Return how a new session is greeted, empty when its process has just ended."""
    with socket.create_connection(("127.0.0.1", gateway.plain)) as client:
        try:
            return client.recv(4)
        except ConnectionError:
            return b""


def sign_in(gateway: Gateway, password: str) -> int:
    """Sign in over a connection of its own; return the code of the reply."""
    given = b64encode(f"\0acme.desk\0{password}".encode()).decode()
    with smtplib.SMTP("127.0.0.1", gateway.plain, timeout=30) as client:
        client.ehlo()
        return client.docmd("AUTH PLAIN", given)[0]


def test_processes_that_are_not_up_in_time_are_told_in_words(tmp_path: Path) -> None:
    settings = Settings(path=tmp_path / "gateway.conf")

    async def begin() -> None:
        late = Workers(settings, count=1, sockets=(), queued=lambda: None, start_seconds=0.01)
        try:
            await late.start()
        finally:
            await late.stop()

    with pytest.raises(ConfigError, match=r"were not up in 0\.01 seconds: write fewer"):
        asyncio.run(begin())


def test_there_is_a_process_for_each_core_unless_it_is_said() -> None:
    settings = Settings(path=Path("gateway.conf"))
    assert 1 <= count_workers(settings) <= 4
    said = Settings(path=Path("gateway.conf"), server=ServerSettings(workers=7))
    assert count_workers(said) == 7
