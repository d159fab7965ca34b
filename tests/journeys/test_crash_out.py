"""20 sessions, 50 SIGKILLs at random moments: no acknowledged mail is lost or changed.

The moments lie in the whole life of the process: while it starts, while it accepts and
delivers, and while it only delivers. What arrived twice must have been in flight at a kill,
by the books that the dead process left on disk.
"""

from __future__ import annotations

import random
import re
import shutil
import smtplib
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.journeys.test_out import PASSWORD, TENANT
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix

WORKERS = 2  # as by default on two cores

pytestmark = pytest.mark.servers

SESSIONS = 20
KILLS = {"starting": 15, "working": 25, "delivering": 10}
PAUSE_SECONDS = 0.5  # the longest between two messages of a session
LIFE_SECONDS = {"working": 0.7, "delivering": 0.3}  # the longest until the kill
ADDED = {b"received", b"dkim-signature", b"return-path", b"delivered-to", b"x-original-to"}


class Clients:
    """Sessions that submit numbered mails for ever, and remember which were acknowledged."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._may_send = threading.Event()
        self._may_send.set()
        self._next = 0
        self.acknowledged: set[int] = set()
        self.uncertain: set[int] = set()
        self._threads = [threading.Thread(target=self._session) for _ in range(SESSIONS)]
        for thread in self._threads:
            thread.start()

    def pause(self) -> None:
        """Submit nothing more until `resume`."""
        self._may_send.clear()

    def resume(self) -> None:
        """Go on."""
        self._may_send.set()

    def finish(self) -> None:
        """Let each session end after its message."""
        self._ended.set()
        self._may_send.set()
        for thread in self._threads:
            thread.join()

    def _session(self) -> None:
        while not self._ended.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._gateway.plain, timeout=30) as client:
                    client.login("acme.zammad", PASSWORD)
                    while not self._ended.is_set():
                        self._may_send.wait()
                        self._submit(client)
            except (OSError, smtplib.SMTPException):
                self._ended.wait(0.2)  # it is being restarted

    def _submit(self, client: smtplib.SMTP) -> None:
        with self._lock:
            self._next += 1
            number = self._next
            self.uncertain.add(number)
        client.sendmail(
            "support@acme.example", ["ann@example.net"], letter(number), ["BODY=8BITMIME"]
        )
        with self._lock:
            self.acknowledged.add(number)
        self._ended.wait(random.uniform(0, PAUSE_SECONDS))


def letter(number: int) -> bytes:
    """Return mail `number`: mostly small, some so large that a kill finds it half sent."""
    chance = random.Random(number)
    head = (
        "From: support@acme.example\r\nTo: ann@example.net\r\nSubject: Your order\r\n"
        "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        f"Message-ID: <{number}@acme.example>\r\n\r\n"
    )
    lines = ["Grüße, 您好\r\n", ".\r\n", "..\r\n", "\r\n", "From the start\r\n"]
    lines.append(f"{chance.random()} {'x' * chance.randint(0, 900)}\r\n")
    count = chance.choice([1, 2, 5, 10, 20, 20, 20, 20, 20, 600])
    return (head + "".join(chance.choices(lines, k=count))).encode()


def moments(chance: random.Random) -> Iterator[str]:
    """In what the next kill finds the gateway."""
    kinds = [kind for kind, count in KILLS.items() for _ in range(count)]
    chance.shuffle(kinds)
    yield from kinds


def live(gateway: Gateway, clients: Clients, kind: str, *, seconds: float) -> None:
    """Start the gateway and let it live for a while; the clients go on meanwhile."""
    if kind == "starting":
        gateway.begin()
        threading.Event().wait(seconds)
        return
    gateway.start()
    known = len(clients.acknowledged)
    wait_until(
        lambda: len(clients.acknowledged) > known,
        what=lambda: f"an acknowledgement\n{gateway.log()}",
    )
    if kind == "delivering":
        threading.Event().wait(seconds)
        clients.pause()
    threading.Event().wait(seconds)


def in_flight(gateway: Gateway) -> set[int]:
    """Return the mails that a dead gateway was sending, by a copy of what it left on disk."""
    with tempfile.TemporaryDirectory() as directory:
        for path in (gateway.home / "state").glob("gateway.db*"):
            shutil.copy(path, directory)
        with closing(sqlite3.connect(Path(directory) / "gateway.db")) as db:
            query = (
                "SELECT m.message_id FROM delivery d JOIN message m ON m.id = d.message"
                " WHERE d.state = 'claimed'"
            )
            return {number_of(row[0].encode()) for row in db.execute(query)}


def told_as_interrupted(gateway: Gateway) -> set[int]:
    """Return the mails whose timeline says that perhaps they were delivered."""
    with closing(sqlite3.connect(gateway.home / "state/gateway.db")) as db:
        query = (
            "SELECT m.message_id FROM journal j JOIN message m ON m.id = j.message"
            " WHERE j.event = 'delivery.interrupted'"
        )
        return {number_of(row[0].encode()) for row in db.execute(query)}


def number_of(text: bytes) -> int:
    found = re.search(rb"<(\d+)@acme\.example>", text)
    assert found
    return int(found[1])


def is_unchanged(arrived: bytes, number: int) -> bool:
    """Whether a mail is what was handed in, below header fields that were added above it."""
    original = letter(number).replace(b"\r\n", b"\n")
    if not arrived.endswith(original):
        return False
    above = arrived.removesuffix(original)
    names = {name.lower() for name in re.findall(rb"^([^\s:]+):", above, re.MULTILINE)}
    return names <= ADDED


def test_no_acknowledged_mail_is_lost_or_changed(gateway: Gateway, postfix: Postfix) -> None:
    """What was in flight at a kill may arrive twice; nothing else may."""
    gateway.apply(
        TENANT.format(port=postfix.port, ca_file=postfix.ca_file).replace(
            'name = "Acme Support"\n', ""
        ),
        **{"upstream-password": "the-upstream-password", "submission-password": PASSWORD},
    )
    began = time.monotonic()
    gateway.start()
    start_seconds = time.monotonic() - began
    clients = Clients(gateway)
    chance = random.Random(20261124)
    gateway.kill()
    interrupted: Counter[int] = Counter()
    for kind in moments(chance):
        longest = LIFE_SECONDS.get(kind, start_seconds)
        live(gateway, clients, kind, seconds=chance.uniform(0, longest))
        gateway.kill()
        interrupted.update(in_flight(gateway))
        clients.resume()
    gateway.start()
    clients.finish()
    gateway.wait_for_empty_queue(seconds=120)
    arrived = postfix.delivered()
    times = Counter(number_of(one) for one in arrived)
    assert clients.acknowledged <= set(times), "an acknowledged mail is lost"
    assert set(times) <= clients.uncertain
    assert [one for one in arrived if not is_unchanged(one, number_of(one))] == []
    twice = {number: count for number, count in times.items() if count > 1}
    assert all(count <= 1 + interrupted[number] for number, count in twice.items())
    assert told_as_interrupted(gateway) == set(interrupted)
    assert gateway.json("status")["books"]["out"]["difference"] == 0
