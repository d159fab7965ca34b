"""The loop that Twisted's reactor runs on, and the order of the tests."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import hypothesis
import pytest
from twisted.internet import asyncioreactor

T = TypeVar("T")

SECONDS = 60
hypothesis.settings.register_profile("any machine", deadline=None)  # 200 ms are of a quiet one
hypothesis.settings.load_profile("any machine")
LONG = ("tests/journeys/test_crash_", "tests/sieve/test_fuzz", "tests/sieve/test_differential")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, so that no process is left with it at the end."""
    items.sort(
        key=lambda one: (not one.nodeid.startswith(LONG), "/journeys/" not in one.nodeid)
    )


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a coroutine on the reactor's loop, for some seconds at most."""
    loop = _reactor_loop()

    def _run(work: Coroutine[Any, Any, T]) -> T:
        return loop.run_until_complete(asyncio.wait_for(work, SECONDS))

    return _run


def _reactor_loop() -> asyncio.AbstractEventLoop:
    if "twisted.internet.reactor" not in sys.modules:
        asyncioreactor.install(asyncio.new_event_loop())  # type: ignore[no-untyped-call]
    from twisted.internet import reactor  # noqa: PLC0415  (importing it installs one)

    loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
    return loop
