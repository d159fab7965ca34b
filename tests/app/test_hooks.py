from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.app.hooks import without_target
from gateway.mail.delivery import Lane, LaneKind, State
from gateway.store import people, queue
from gateway.store.sqlite import Store
from tests.store.values import NOON, outgoing

EVENTS = Lane("acme", LaneKind.HOOK, "events")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "gateway.db")


def test_an_event_whose_hook_is_gone_is_due_again_and_is_no_try(store: Store) -> None:
    store.write_now(queue.accept, outgoing(lane=EVENTS), now=NOON)
    (batch,) = store.write_now(
        queue.claim, EVENTS, owner="node", now=NOON, lease=timedelta(hours=1), messages=1,
        recipients=1,
    )  # fmt: skip
    results = [without_target(one.number, NOON) for one in batch.deliveries]
    store.write_now(queue.record, batch, results, now=NOON)
    (due,) = store.read_now(queue.due_lanes, now=NOON)
    assert (due.lane, due.next_at) == (EVENTS, NOON)
    (entry,) = store.read_now(people.entries)
    (recipient,) = entry.recipients
    assert (recipient.state, recipient.attempts) == (State.QUEUED, 0)
    assert "has no password" in (entry.reason or "")
    store.close()
