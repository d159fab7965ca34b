"""Bounds on what is done at once: per provider host and per tenant."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """At most `per_host` at one host and `per_tenant` for one tenant; the others wait."""

    def __init__(self, *, per_host: int = 8, per_tenant: int = 8) -> None:
        self._hosts = defaultdict[str, asyncio.Semaphore](lambda: asyncio.Semaphore(per_host))
        self._tenants = defaultdict[str, asyncio.Semaphore](
            lambda: asyncio.Semaphore(per_tenant)
        )

    @asynccontextmanager
    async def of(self, host: str, tenant: str) -> AsyncIterator[None]:
        """Hold a slot. The tenant's comes first: one who waits for it takes nobody's host."""
        async with self._tenants[tenant], self._hosts[host]:
            yield
