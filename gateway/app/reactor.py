"""Runs the program on Twisted's reactor until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred

from gateway.net.concurrency import spawn

T = TypeVar("T")


def run(begin: Callable[[], Awaitable[bool]], end: Callable[[], Awaitable[None]]) -> None:
    """Run `begin`; while its answer is True stay up until a signal; then wait for `end`.

    What `begin` raises ends the run, and is raised here once `end` is done.
    """
    from twisted.internet import reactor  # noqa: PLC0415 - installed by __main__ before this

    running: Any = reactor
    is_ours = isinstance(running, AsyncioSelectorReactor)
    if not is_ours:  # it would wait for ever
        raise RuntimeError("this verb is missing in gateway.__main__.WITH_REACTOR")
    faults: list[BaseException] = []

    async def start() -> None:
        try:
            if await begin():
                return
        except Exception as error:  # noqa: BLE001 - raised below, outside of the loop
            faults.append(error)
        running.stop()

    def stop() -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(end()))

    running.callLater(0, lambda: spawn(start(), name="start"))  # the loop runs by then
    running.addSystemEventTrigger("before", "shutdown", stop)
    running.run()
    if faults:
        raise faults[0]


def outlive_hangup(tell: Callable[[], None]) -> None:
    """Stay up after SIGHUP, which would end the process at once, and `tell` of it.

    With a terminal it is the terminal that has gone: then it is as SIGTERM. Whoever has the
    signal ignored, as nohup does, keeps that.
    """
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        return
    has_terminal = sys.stderr.isatty()

    def hung_up(_number: int, _frame: object) -> None:
        if has_terminal:
            signal.raise_signal(signal.SIGTERM)
        else:
            tell()

    signal.signal(signal.SIGHUP, hung_up)


def ask(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run one piece of work to its end and return its answer; raises what it raises.

    Raises KeyboardInterrupt when a person stopped it first. Once in a process.
    """
    answers: list[T] = []

    async def begin() -> bool:
        answers.append(await work())
        return False

    async def end() -> None:
        return None

    before = signal.getsignal(signal.SIGINT)
    run(begin, end)
    signal.signal(signal.SIGINT, before)  # the reactor leaves one that does nothing
    if not answers:
        raise KeyboardInterrupt
    return answers[0]
