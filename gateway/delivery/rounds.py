"""What is looked at now and then: mail whose hour has come, whose session is gone, that waited
too long or waits for a way that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from gateway import events
from gateway.store import interrupted, needs, waiting
from gateway.store.errors import StoreError
from gateway.store.sqlite import Store

EVERY_SECONDS = 60.0  # or as often as mail may become stale
MIN_SECONDS = 1.0


async def go_rounds(
    store: Store,
    *,
    stale_after: timedelta,
    spared: Callable[[], Collection[str]],
    wake: Callable[[], None],
) -> None:
    """Go round until cancelled, once a minute; `wake` is called when something became due.

    `spared` are the tokens of the leases that are at work here.
    """
    every = min(EVERY_SECONDS, max(MIN_SECONDS, stale_after.total_seconds()))
    while True:
        try:
            now = datetime.now(UTC)
            if await go_round(store, stale_after=stale_after, spared=spared(), now=now):
                wake()
        except StoreError as error:  # such as a full disk: it may pass
            events.task_failed(task="delivery rounds", error=error)
        await asyncio.sleep(every)


async def go_round(
    store: Store, *, stale_after: timedelta, spared: Collection[str] = (), now: datetime
) -> int:
    """Queue what was scheduled until now or whose lease is over, hold what is stale or has no
    way; return how much was queued."""
    begun = await store.write(waiting.begin_scheduled, now=now)
    begun += await store.write(interrupted.take_over_lost, spared=spared, now=now)
    await store.write(needs.hold_lost, now=now)
    for stale in await store.write(waiting.hold_stale, stale_after=stale_after, now=now):
        events.delivery_stale(
            message_id=stale.message,
            lane=stale.lane,
            recipients=stale.recipients,
            reason=stale.reason,
        )
    return begun
