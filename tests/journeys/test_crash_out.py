"""20 sessions, 20 SIGKILLs at random moments: no acknowledged mail is lost."""

from __future__ import annotations

import random
import re
import smtplib
import threading
from collections import Counter

import pytest

from tests.journeys.test_out import PASSWORD, apply_tenant, letter
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix

pytestmark = pytest.mark.servers

SESSIONS = 20
KILLS = 20
MAX_BETWEEN_KILLS = 60  # messages acknowledged


class Clients:
    """Sessions that submit numbered mails for ever, and remember which were acknowledged."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._next = 0
        self.acknowledged: set[int] = set()
        self.uncertain: set[int] = set()
        self._threads = [threading.Thread(target=self._session) for _ in range(SESSIONS)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Let each session end after its message."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _session(self) -> None:
        while not self._ended.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._gateway.plain, timeout=30) as client:
                    client.login("acme.zammad", PASSWORD)
                    while not self._ended.is_set():
                        self._submit(client)
            except (OSError, smtplib.SMTPException):
                self._ended.wait(0.05)  # it is being restarted

    def _submit(self, client: smtplib.SMTP) -> None:
        with self._lock:
            self._next += 1
            number = self._next
            self.uncertain.add(number)
        message = letter()
        message["X-Number"] = str(number)
        client.send_message(message)
        with self._lock:
            self.acknowledged.add(number)


def test_no_acknowledged_mail_is_lost(gateway: Gateway, postfix: Postfix) -> None:
    """What was in flight at a kill may arrive twice; nothing else may."""
    apply_tenant(gateway, postfix)
    gateway.start()
    clients = Clients(gateway)
    chance = random.Random(20261124)
    for _ in range(KILLS):
        wanted = len(clients.acknowledged) + chance.randint(1, MAX_BETWEEN_KILLS)
        wait_until(
            lambda wanted=wanted: len(clients.acknowledged) >= wanted,  # type: ignore[misc]
            what=lambda: f"acknowledgements\n{gateway.log()}",
        )
        gateway.kill()
        gateway.start()
    clients.finish()
    gateway.wait_for_empty_queue(seconds=120)
    arrived = Counter(_number(one) for one in postfix.delivered())
    lost = clients.acknowledged - set(arrived)
    assert not lost
    assert set(arrived) <= clients.uncertain
    books = gateway.json("status")["books"]["out"]
    assert books["difference"] == 0
    twice = sum(count - 1 for count in arrived.values())
    assert twice <= KILLS * 50, "only what was in flight may be repeated"


def _number(content: bytes) -> int:
    found = re.search(rb"^X-Number: (\d+)", content, re.MULTILINE)
    assert found
    return int(found[1])
