"""Free ports, and waiting for a condition."""

from __future__ import annotations

import fcntl
import os
import random
import select
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

BELOW_CLIENTS = (20_000, 32_000)
CHANCE = random.SystemRandom()  # no seed: two processes would look at the same ports
GIVEN = (Path(tempfile.gettempdir()) / f"gateway-tests-{os.getuid()}.ports").open("ab")
MINE: set[int] = set()
SHOWN = 20_000  # characters of what was waited for: mostly the end of a log


def free_ports(count: int) -> tuple[int, ...]:
    """Return loopback ports that nobody listens on, each given once while this process lives.

    They lie below those that the system gives to clients: one of these could be taken by any
    connection before the server that is to have it has begun. Test processes run side by side:
    the byte of a given port stays locked, since its server may begin only a second later.
    """
    found: set[int] = set()
    while len(found) < count:
        port = CHANCE.randrange(*BELOW_CLIENTS)
        if port in MINE:
            continue  # a lock does not keep its own process out
        with socket.socket() as one, suppress(OSError):
            fcntl.lockf(GIVEN, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            one.bind(("127.0.0.1", port))
            found.add(port)
            MINE.add(port)
    return tuple(found)


def wait_until(
    condition: Callable[[], object], *, what: Callable[[], str], seconds: float = 60.0
) -> None:
    """Return once `condition` holds; raises TimeoutError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what()[-SHOWN:]}")
        select.select([], [], [], 0.02)
