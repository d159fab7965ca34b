"""A disk that is really full: new mail is put off, what waits is safe, then all goes on.

The state lies on a file system of a few megabytes, which a file beside it fills to the last
byte.
"""

from __future__ import annotations

import os
import random
import smtplib
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.journeys.test_crash_out import is_unchanged, letter, number_of
from tests.journeys.test_out import PASSWORD, TENANT
from tests.servers.gateway import Gateway
from tests.servers.need import need
from tests.servers.postfix import Postfix

WORKERS = 2  # as by default on two cores

pytestmark = pytest.mark.servers

DISK_BYTES = 64 * 1024 * 1024
SESSIONS = 5
ROUNDS = 8  # the disk is full, and has room again


class Disk:
    """The small file system that the gateway's state lies on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._filler = path / "filler"

    def mount(self) -> None:
        """Make it, or skip the test where that is not permitted (in CI: fail)."""
        need("mount", root=True)
        self._path.mkdir(mode=0o700)
        words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs"]
        done = subprocess.run([*words, self._path], capture_output=True, check=False)
        if done.returncode and os.environ.get("CI"):
            pytest.fail(done.stderr.decode())
        elif done.returncode:
            pytest.skip("needs a file system of its own: mount is not permitted here")

    def unmount(self) -> None:
        """Give it back."""
        subprocess.run(["umount", "-l", self._path], check=False)

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all that is free but `leave_bytes`."""
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            free = os.statvfs(self._path).f_bavail * os.statvfs(self._path).f_frsize
            os.posix_fallocate(file.fileno(), 0, max(1, free - leave_bytes))
            while not leave_bytes:
                file.seek(0, os.SEEK_END)
                file.write(bytes(4096))

    def free(self) -> None:
        """Give back what was taken."""
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def disk(gateway: Gateway, postfix: Postfix) -> Iterator[Disk]:
    """The disk of a gateway that has its tenant and does not yet run."""
    made = Disk(gateway.home / "state")
    made.mount()
    tenant = TENANT.format(port=postfix.port, ca_file=postfix.ca_file)
    gateway.apply(
        tenant.replace('name = "Acme Support"\n', ""),
        **{"upstream-password": "the-upstream-password", "submission-password": PASSWORD},
    )
    yield made
    gateway.close()
    made.unmount()


def submit(gateway: Gateway, *numbers: int, more: bytes = b"") -> None:
    """Hand in numbered mails in one session; raises SMTPDataError for a refusal."""
    with smtplib.SMTP("127.0.0.1", gateway.plain, timeout=30) as client:
        client.login("acme.zammad", PASSWORD)
        for number in numbers:
            content = letter(number) + more
            client.sendmail("support@acme.example", ["ann@example.net"], content)


def is_put_off(gateway: Gateway, number: int, *, more: bytes = b"") -> bool:
    """Whether a mail is answered 452 4.3.1 (RFC 5321 §4.2.3, RFC 3463 §3.4)."""
    refused = None
    try:
        submit(gateway, number, more=more)
    except smtplib.SMTPDataError as error:
        refused = (error.smtp_code, error.smtp_error[:6])
    assert refused in (None, (452, b"4.3.1 "))
    return refused is not None


def release(gateway: Gateway) -> None:
    """Let mail leave again, and wait until nothing waits any more."""
    gateway.run("upstream", "resume", "acme", "own")
    gateway.wait_for_empty_queue()


def test_on_a_full_disk_mail_is_put_off_and_nothing_that_waits_is_lost(
    gateway: Gateway, postfix: Postfix, disk: Disk
) -> None:
    gateway.run("upstream", "pause", "acme", "own")
    gateway.start()
    submit(gateway, 1, 2, 3)
    disk.fill()
    assert is_put_off(gateway, 4)
    refused = gateway.run("upstream", "resume", "acme", "own", check=False)
    assert refused.returncode == 1
    assert "disk is full" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert "store.full" in gateway.log()
    assert len(gateway.json("queue", "list")) == 3
    disk.free()
    assert not is_put_off(gateway, 5)
    release(gateway)
    arrived = sorted(number_of(one) for one in postfix.delivered())
    assert arrived == [1, 2, 3, 5]


def test_below_keep_free_what_waits_still_goes_and_its_journal_is_written(
    gateway: Gateway, postfix: Postfix, disk: Disk
) -> None:
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("keep_free = 0", 'keep_free = "8MB"'))
    gateway.run("upstream", "pause", "acme", "own")
    gateway.start()
    submit(gateway, 1, 2)
    disk.fill(leave_bytes=6 * 1024 * 1024)
    assert is_put_off(gateway, 3)
    release(gateway)
    assert sorted(number_of(one) for one in postfix.delivered()) == [1, 2]
    found = gateway.json("log", "trace", "<1@acme.example>")["events"]
    assert found[-1]["event"] == "delivery.delivered"
    disk.free()
    assert not is_put_off(gateway, 4)


def test_a_message_that_does_not_fit_is_put_off_and_the_next_one_taken(
    gateway: Gateway, postfix: Postfix, disk: Disk
) -> None:
    """The disk is full in the middle of a commit."""
    gateway.start()
    disk.fill(leave_bytes=6 * 1024 * 1024)
    assert is_put_off(gateway, 1, more=b"x" * 70 + b"\r\n" + b"y" * 70 + b"\r\n" * 3_500_000)
    assert not is_put_off(gateway, 2)
    gateway.wait_for_empty_queue()
    assert [number_of(one) for one in postfix.delivered()] == [2]


def test_while_the_disk_is_full_again_and_again_each_mail_arrives_once(
    gateway: Gateway, postfix: Postfix, disk: Disk
) -> None:
    """Nobody was killed: so nothing at all may come twice."""
    gateway.start()
    chance, ended = random.Random(20261124), threading.Event()
    numbers, acknowledged, put_off = iter(range(1, 1_000_000)), set[int](), set[int]()

    def session() -> None:
        while not ended.is_set():
            number = next(numbers)
            (put_off if is_put_off(gateway, number) else acknowledged).add(number)

    threads = [threading.Thread(target=session) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for _ in range(ROUNDS):
        ended.wait(chance.uniform(0.1, 0.5))
        disk.fill()
        ended.wait(chance.uniform(0.1, 0.5))
        disk.free()
    ended.set()
    for thread in threads:
        thread.join()
    gateway.wait_for_empty_queue()
    arrived = postfix.delivered()
    assert put_off
    assert Counter(number_of(one) for one in arrived) == Counter(acknowledged)
    assert all(is_unchanged(one, number_of(one)) for one in arrived)
    assert gateway.json("status")["books"]["out"]["difference"] == 0
