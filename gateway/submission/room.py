"""Room in memory for the messages that are being taken in, of all sessions of a process.

What is small is never counted and never waits: the number of sessions bounds it. A larger
message holds a share that grows with it; where there is no room for more it waits a moment,
and the client with it, for others are finished soon. Then it is refused by a reply that says
to come again, so nobody waits for somebody who waits too.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.mail.reply import Reply

SMALL_BYTES = 64 * 1024  # of each message
WAIT_SECONDS = 10.0
NO_ROOM = Reply(452, "4.3.1", "Too much mail is being taken in just now: try again later")


class Room:
    """`most_bytes` for large messages; shares of it are given in the order they are asked."""

    def __init__(self, most_bytes: int, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._free_bytes = most_bytes
        self._wait_seconds = wait_seconds
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def free_bytes(self) -> int:
        """How much is not held."""
        return self._free_bytes

    async def take(self, size_bytes: int) -> bool:
        """Hold so much more, at the latest after a moment; False when there is no room."""
        if not self._waiting and size_bytes <= self._free_bytes:
            self._free_bytes -= size_bytes
            return True
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size_bytes, given))
        try:
            await asyncio.wait([given], timeout=self._wait_seconds)
        except asyncio.CancelledError:
            self._forget(size_bytes, given)
            raise
        if given.done():
            return True
        self._forget(size_bytes, given)
        return False

    def give_back(self, size_bytes: int) -> None:
        """Hold so much less; who waits for it goes on."""
        self._free_bytes += size_bytes
        while self._waiting and self._waiting[0][0] <= self._free_bytes:
            wanted, given = self._waiting.popleft()
            self._free_bytes -= wanted
            given.set_result(None)

    def _forget(self, size_bytes: int, given: asyncio.Future[None]) -> None:
        if given.done():
            self.give_back(size_bytes)
            return
        self._waiting.remove((size_bytes, given))
        self.give_back(0)  # the one behind may want less


class Share:
    """What one message holds of a room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._held_bytes = 0

    def has(self, size_bytes: int) -> bool:
        """Whether a message of this size needs no more than it holds."""
        return size_bytes - SMALL_BYTES <= self._held_bytes

    async def grow(self, size_bytes: int) -> bool:
        """Hold enough for a message of this size; False when there is no room for it."""
        more = size_bytes - SMALL_BYTES - self._held_bytes
        if not await self._room.take(more):
            return False
        self._held_bytes += more
        return True

    def give_back(self) -> None:
        """Hold nothing any more."""
        self._room.give_back(self._held_bytes)
        self._held_bytes = 0
