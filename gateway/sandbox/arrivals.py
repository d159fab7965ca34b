"""What arrived at one of the sandbox's servers: a bounded list that can be waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
KEPT = 1000  # the oldest go first: a sandbox may capture for weeks


class Arrivals(Generic[T]):
    """The newest arrivals, in order of arrival."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._kept: deque[T] = deque(maxlen=kept)
        self._news = asyncio.Event()

    def __iter__(self) -> Iterator[T]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, one: T) -> None:
        """Keep `one` and wake all who wait."""
        self._kept.append(one)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def clear(self) -> None:
        """Forget what arrived so far."""
        self._kept.clear()

    async def wait_for(
        self, wanted: Callable[[T], bool] = lambda _: True, *, seconds: float = 30.0
    ) -> T:
        """Return the first arrival that is `wanted`, past ones included.

        Raises TimeoutError after `seconds`.
        """
        async with asyncio.timeout(seconds):
            while True:
                for one in self:
                    if wanted(one):
                        return one
                await self._news.wait()
