"""Free ports, and waiting for a condition."""

from __future__ import annotations

import random
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress

BELOW_CLIENTS = (20_000, 32_000)
CHANCE = random.SystemRandom()  # no seed: two processes would look at the same ports


def free_ports(count: int) -> tuple[int, ...]:
    """Return loopback ports that nobody listens on.

    They lie below those that the system gives to clients: one of these could be taken by any
    connection before the server that is to have it has begun.
    """
    found: set[int] = set()
    while len(found) < count:
        port = CHANCE.randrange(*BELOW_CLIENTS)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.add(port)
    return tuple(found)


def wait_until(
    condition: Callable[[], object], *, what: Callable[[], str], seconds: float = 30.0
) -> None:
    """Return once `condition` holds; raises TimeoutError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what()}")
        select.select([], [], [], 0.02)
