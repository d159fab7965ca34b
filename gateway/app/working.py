"""Brings what was fetched to its end; the ledger in the store is the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

from gateway import events
from gateway.app.turns import Turns
from gateway.sieve.interface import CompileError
from gateway.store import holds, inbox
from gateway.store.errors import Conflict, StoreError
from gateway.store.inbox import Unfinished
from gateway.store.sqlite import Store

WORKERS = 8
A_MAILBOX = 2  # of these: its mail may come from where no name server answers
REST = 10  # times as long as a look took, before the next: thousands may wait
LONGEST_REST_SECONDS = 0.2
LOOK_EVERY_SECONDS = 30.0
LEAST_SECONDS = 0.5  # between two looks that nothing asked for
TRY_AGAIN_SECONDS = 30.0
NOT_ITS_FAULT = (StoreError, CompileError)  # a full disk, policies that do not compile


class Work:
    """Performs messages, a few at a time, and one that was begun before all alone.

    Such a one may have ended the process, or a life before this: tries are counted, and what
    is beside it must not be held for it.
    """

    def __init__(
        self,
        store: Store,
        perform: Callable[[str], Awaitable[object]],
        *,
        queued: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        """`queued` is called when something may wait in the queue: a forward, an answer."""
        self._store = store
        self._perform = perform
        self._queued = queued
        self._now = now
        self._woken = asyncio.Event()
        self._turns = Turns(self._bring_to_its_end, most=WORKERS, a_mailbox=A_MAILBOX)
        self._not_before: dict[str, float] = {}

    def wake(self) -> None:
        """Look for work now."""
        self._woken.set()

    async def stop(self) -> None:
        """Begin nothing more; what is cut short has not had its try, however often we stop."""
        await self._take_back(*await self._turns.stop())

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._woken.clear()
            begun = time.monotonic()
            for one in await self._unfinished():
                if self._not_before.get(one.message, begun) <= begun:
                    self._turns.put(one.message, one.mailbox, alone=one.was_begun)
            took = time.monotonic() - begun
            await asyncio.sleep(min(REST * took, LONGEST_REST_SECONDS))
            with suppress(TimeoutError):
                async with asyncio.timeout(await self._seconds_to_next()):
                    await self._woken.wait()

    async def _seconds_to_next(self) -> float:
        """Return how long there is nothing to do by itself: until the next hold ends."""
        try:
            ends_at = await self._store.read(holds.next_end)
        except StoreError:  # told by the look that follows
            return LOOK_EVERY_SECONDS
        left = (ends_at - self._now()).total_seconds() if ends_at else LOOK_EVERY_SECONDS
        return min(max(left, LEAST_SECONDS), LOOK_EVERY_SECONDS)

    async def _unfinished(self) -> list[Unfinished]:
        try:
            await self._store.write(holds.end_due, now=self._now())
            return await self._store.read(inbox.unfinished)
        except StoreError as error:  # it may pass
            events.task_failed(task="inbound work", error=error)
            return []

    async def _bring_to_its_end(self, id_: str) -> None:
        try:
            await self._perform(id_)
        except Exception as error:  # noqa: BLE001 - it stays at its state and is tried again
            self._not_before[id_] = time.monotonic() + TRY_AGAIN_SECONDS
            events.work_failed(message_id=id_, error=error)
            if isinstance(error, NOT_ITS_FAULT) and not isinstance(error, Conflict):
                await self._take_back(id_)
        else:
            self._not_before.pop(id_, None)
            self._queued()

    async def _take_back(self, *messages: str) -> None:
        """Have the last try of these messages not count."""
        try:
            await self._store.write(inbox.take_back_try, messages)
        except StoreError as error:  # then it counts: one more is not too many
            events.task_failed(task="inbound work", error=error)
