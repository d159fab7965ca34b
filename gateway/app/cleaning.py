"""Removes what is done with at its age, step by step, so that mail goes on meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from gateway import events
from gateway.config import RetentionSettings
from gateway.store import awaited, marks, retention, tenants
from gateway.store.errors import StoreError
from gateway.store.sqlite import Store

EVERY_SECONDS = 3600.0


async def keep_clean(store: Store, settings: RetentionSettings) -> None:
    """Clean once an hour until cancelled."""
    while True:
        try:
            await clean(store, settings, now=datetime.now(UTC))
        except StoreError as error:  # such as a full disk: it may pass
            events.task_failed(task="retention", error=error)
        await asyncio.sleep(EVERY_SECONDS)


async def clean(store: Store, settings: RetentionSettings, *, now: datetime) -> None:
    """Remove what is older than `settings` allow, and give its room back to the disk."""
    contents, size_bytes = await _remove_contents(store, settings, now=now)
    journal_rows = await _remove_journal(store, settings, now=now)
    await store.write(tenants.forget_keys, now=now)
    await store.write(awaited.give_up, now=now)
    while await store.write(marks.forget, now=now):
        continue
    while await store.write(retention.shrink):
        continue
    if contents or journal_rows:
        events.content_removed(
            contents=contents, journal_rows=journal_rows, size_bytes=size_bytes
        )


async def _remove_contents(
    store: Store, settings: RetentionSettings, *, now: datetime
) -> tuple[int, int]:
    after: str | None = ""
    removed = size_bytes = 0
    while after is not None:
        step = await store.write(
            retention.remove_contents,
            after=after,
            sent_before=now - settings.sent,
            received_before=now - settings.received,
        )
        removed += step.removed
        size_bytes += step.size_bytes
        after = step.next_after
    return removed, size_bytes


async def _remove_journal(store: Store, settings: RetentionSettings, *, now: datetime) -> int:
    after: int | None = 0
    removed = 0
    while after is not None:
        before = now - settings.journal
        step = await store.write(retention.remove_journal, after=after, before=before)
        removed += step.removed
        after = step.next_after
    return removed
