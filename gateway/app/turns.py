"""Mailboxes take turns: one with thousands of messages, or slow ones, delays no other."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.net.concurrency import spawn, stop_tasks


class Turns:
    """Has messages performed, at most `most` at once and `a_mailbox` of one mailbox.

    Those of a mailbox go in the order in which they were put. A free place is given to the
    mailbox that waited longest, not to the message.
    """

    def __init__(
        self, perform: Callable[[str], Awaitable[None]], *, most: int, a_mailbox: int
    ) -> None:
        """`perform` is given a message's id; what it raises is a fault of ours."""
        self._perform = perform
        self._most = most
        self._places = asyncio.Semaphore(most)
        self._all_places = asyncio.Lock()  # two that each took half would wait for ever
        self._a_mailbox = a_mailbox
        self._waiting = defaultdict[str, deque[tuple[str, bool]]](deque)
        self._drains = defaultdict[str, int](int)
        self._known: set[str] = set()
        self._performing: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, message: str, mailbox: str, *, alone: bool = False) -> None:
        """Have a message performed, unless it waits or is being performed already.

        With `alone` nothing else is performed beside it.
        """
        if message in self._known:
            return
        self._known.add(message)
        self._waiting[mailbox].append((message, alone))
        if self._drains[mailbox] < self._a_mailbox:
            self._drains[mailbox] += 1
            task = spawn(self._drain(mailbox), name=f"inbound of {mailbox}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> list[str]:
        """Begin nothing more, end what is being performed; return which messages that was."""
        self._waiting.clear()
        cut_short = sorted(self._performing)
        await stop_tasks([*self._tasks])
        return cut_short

    async def _drain(self, mailbox: str) -> None:
        try:
            while self._waiting[mailbox]:
                await self._take_one(mailbox)
        finally:
            self._drains[mailbox] -= 1
            if not self._drains[mailbox]:
                del self._drains[mailbox]
                self._waiting.pop(mailbox, None)

    async def _take_one(self, mailbox: str) -> None:
        """Perform the message that is first once there is a place, if there still is one."""
        _, alone = self._waiting[mailbox][0]
        async with self._place(alone=alone):
            if not self._waiting[mailbox] or self._waiting[mailbox][0][1] != alone:
                return  # the mailbox's other drain took it
            message, _ = self._waiting[mailbox].popleft()
            self._performing.add(message)
            try:
                await self._perform(message)
            finally:
                self._performing.discard(message)
                self._known.discard(message)

    @asynccontextmanager
    async def _place(self, *, alone: bool) -> AsyncIterator[None]:
        if not alone:
            async with self._places:
                yield
            return
        async with self._all_places:
            taken = 0
            try:
                for _ in range(self._most):
                    await self._places.acquire()
                    taken += 1
                yield
            finally:
                for _ in range(taken):
                    self._places.release()
