from __future__ import annotations

from datetime import timedelta

from gateway.store import figures, lanes, queue
from gateway.store.sqlite import Store
from tests.store.values import LANE, NOON, outgoing


def test_what_waits_is_counted_by_state_with_its_age(store: Store) -> None:
    store.write_now(queue.accept, outgoing("a@x.example", "b@x.example"), now=NOON)
    store.write_now(queue.accept, outgoing(hold="a person decides"), now=NOON)
    store.write_now(lanes.pause_lane, LANE, by="person", reason="why", fix=None, now=NOON)
    counts = store.read_now(figures.count, now=NOON + timedelta(minutes=5))
    assert counts.deliveries == {"queued": 2, "held": 1}
    assert counts.oldest_waiting_seconds == 300
    assert counts.lanes_paused == {"person": 1}


def test_an_empty_store_has_nothing_that_waits(store: Store) -> None:
    assert store.read_now(figures.count, now=NOON).oldest_waiting_seconds == 0
