"""How many files and sockets this process may have open at once."""

from __future__ import annotations

import resource
from contextlib import suppress

ENOUGH = 1 << 20  # a limit may be none at all, which the system does not take as a number


def most_open_files() -> int:
    """Return how many files this user's processes may raise their limit to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)


def raise_limit() -> int:
    """Let this process open as many files as it may; return how many that is.

    Shells and service managers begin with 1,024, less than the sessions of a busy hour.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most_open_files():
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most_open_files(), hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
