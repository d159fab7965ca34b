from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.app.cleaning import clean
from gateway.config import RetentionSettings
from gateway.store import people, queue
from gateway.store.sqlite import Store
from tests.store.values import outgoing

DAY = timedelta(days=1)


def test_what_is_done_with_is_removed_and_what_waits_stays(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "gateway.db")
    now = datetime.now(UTC)
    gone, waits = (store.write_now(queue.accept, outgoing(), now=now) for _ in range(2))
    store.write_now(people.delete, gone, now=now)
    asyncio.run(clean(store, RetentionSettings(), now=now + 13 * DAY))
    assert store.read_now(queue.content_of, gone) is not None
    asyncio.run(clean(store, RetentionSettings(), now=now + 1000 * DAY))
    assert store.read_now(queue.content_of, gone) is None
    assert store.read_now(queue.content_of, waits) is not None
    store.close()
