"""Free ports, and waiting for a condition."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable


def free_ports(count: int) -> tuple[int, ...]:
    """Return loopback ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in sockets)
    finally:
        for one in sockets:
            one.close()


def wait_until(
    condition: Callable[[], object], *, what: Callable[[], str], seconds: float = 30.0
) -> None:
    """Return once `condition` holds; raises TimeoutError that says what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what()}")
        select.select([], [], [], 0.02)
