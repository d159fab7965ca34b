"""The leases of what is being sent: renewed while a session is open, asked before the dot."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from gateway import events
from gateway.mail.delivery import Batch
from gateway.store import queue
from gateway.store.errors import StoreError
from gateway.store.sqlite import Store

LENGTH = timedelta(minutes=5)
MARGIN = timedelta(seconds=30)  # what the reply to a final dot of a small message may take


class Leases:
    """Which batches are ours now, until when, and which of them are past the final dot."""

    def __init__(self, store: Store, *, length: timedelta = LENGTH) -> None:
        self.length = length
        self._store = store
        self._until: dict[str, datetime] = {}
        self._batches: dict[str, Batch] = {}
        self._past_dot: set[str] = set()

    @property
    def tokens(self) -> frozenset[str]:
        """The leases that are held here: a clock that is set ahead does not end them."""
        return frozenset(self._batches)

    def hold(self, batch: Batch) -> None:
        """Begin to renew the lease of a batch."""
        self._until[batch.token] = batch.lease_until
        self._batches[batch.token] = batch

    def drop(self, batch: Batch) -> None:
        """End it: the batch is recorded, or given up."""
        self._until.pop(batch.token, None)
        self._batches.pop(batch.token, None)
        self._past_dot.discard(batch.token)

    def is_past_dot(self, batch: Batch) -> bool:
        """Whether the server may have taken the message already."""
        return batch.token in self._past_dot

    async def confirm(self, batch: Batch) -> bool:
        """Whether the batch is still ours: asked just before the final dot.

        A lease with time left is ours without asking; one that is running out is renewed.
        """
        until = self._until.get(batch.token)
        if until is None:
            return False
        runs_out = until - datetime.now(UTC) < min(MARGIN, self.length / 2)
        if runs_out and not await self._renew(batch):
            return False
        self._past_dot.add(batch.token)
        return True

    async def keep(self) -> None:
        """Renew what has less than half of its time left, for as long as this runs."""
        while True:
            await asyncio.sleep(self.length / timedelta(seconds=4))
            soon = datetime.now(UTC) + self.length / 2
            try:
                await self._renew_all(soon)
            except StoreError as error:  # such as a full disk: it may pass
                events.task_failed(task="delivery leases", error=error)

    async def _renew_all(self, soon: datetime) -> None:
        for batch in [self._batches[key] for key, at in self._until.items() if at < soon]:
            await self._renew(batch)

    async def _renew(self, batch: Batch) -> bool:
        now = datetime.now(UTC)
        if not await self._store.write(queue.renew, batch, now=now, lease=self.length):
            self.drop(batch)
            return False
        if batch.token in self._until:
            self._until[batch.token] = now + self.length
        return True
