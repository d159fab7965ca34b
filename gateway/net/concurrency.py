"""Background tasks that report their failure, blocking calls in small named pools."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred

from gateway import events

P = ParamSpec("P")
T = TypeVar("T")

REST_SECONDS = 1.0  # before work that must last begins anew
SWITCH_SECONDS = 0.0005  # a thread that computes gives the interpreter back after that
_tasks: set[asyncio.Task[Any]] = set()


def keep_pauses_short() -> None:
    """Have the event loop wait for no thread, and for no search of garbage, above 5 ms.

    To be called when what stays for good is there: collections pass it over from then on.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()


def spawn(coroutine: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
    """Run `coroutine` in the background; the task is held, its failure is an event."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    _tasks.add(task)
    task.add_done_callback(_ended)
    return task


def spawn_lasting(
    work: Callable[[], Coroutine[Any, Any, None]],
    *,
    name: str,
    rest_seconds: float = REST_SECONDS,
) -> asyncio.Task[None]:
    """Run `work` in the background until it is cancelled or has ended by itself.

    When it raises, that is an event, and it begins anew after a rest: a fault that one row
    or one answer brings out must not end what all others wait for.
    """

    async def last() -> None:
        while True:
            try:
                return await work()
            except Exception as error:  # noqa: BLE001 - a fault of ours, told and outlived
                events.task_failed(task=name, error=error)
            await asyncio.sleep(rest_seconds)

    return spawn(last(), name=name)


async def wait_for(deferred: Deferred[T], *, seconds: float) -> T:
    """Await a Deferred; after `seconds` cancel it and raise TimeoutError."""
    async with asyncio.timeout(seconds):
        return await deferred.asFuture(asyncio.get_running_loop())


async def stop_tasks(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` and wait until each has ended; their failures were reported already."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Pool:
    """A small named thread pool for a library that blocks."""

    def __init__(self, name: str, *, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns, run in the pool; raises what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(work, *args, **kwargs))

    def close(self) -> None:
        """Take no more work; what runs is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _ended(task: asyncio.Task[Any]) -> None:
    _tasks.discard(task)
    if task.cancelled():
        return
    if error := task.exception():
        events.task_failed(task=task.get_name(), error=error)
