from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.mail.delivery import Lane, LaneKind
from gateway.store import journal, lanes, people, queue
from gateway.store.errors import Conflict
from gateway.store.sqlite import Store
from tests.store.values import LANE, NOON, outgoing, set_aside

HOUR = timedelta(hours=1)


def retry(store: Store, id_: str) -> int:
    return store.write_now(people.retry, id_, now=NOON + HOUR)


def claim_one(store: Store) -> str:
    (batch,) = store.write_now(
        queue.claim, LANE, owner="node", now=NOON + HOUR, lease=HOUR, messages=1, recipients=9
    )
    return batch.message


def test_what_is_retried_is_the_next_of_its_lane_though_it_was_due_before(store: Store) -> None:
    ids = [store.write_now(queue.accept, outgoing(), now=NOON) for _ in range(3)]
    assert retry(store, ids[1]) == 1
    assert retry(store, ids[2]) == 1
    assert [claim_one(store) for _ in ids] == [ids[2], ids[1], ids[0]]
    (state,) = store.read_now(lanes.lane_states)
    assert (state.lane, state.asked_at, state.paused_by) == (LANE, NOON + HOUR, None)
    timeline = store.read_now(journal.timeline, ids[1])
    assert timeline is not None
    assert timeline.entries[-1].event == "queue.retry"


def test_what_was_never_tried_says_what_its_lane_rests_for(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    assert (entry.reason, entry.fix) == (people.ITS_TURN, people.ITS_TURN_FIX)
    store.write_now(lanes.set_rest, LANE, reason="nobody is there", fix="look")
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    assert (entry.reason, entry.fix) == ("nobody is there", "look")
    retry(store, id_)
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    assert entry.reason == people.ITS_TURN


def test_what_is_held_is_not_retried(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(hold="look at it"), now=NOON)
    with pytest.raises(Conflict, match="it cannot be sent on now: its recipients are held"):
        retry(store, id_)
    with pytest.raises(Conflict, match="there is no message 'X'"):
        retry(store, "X")
    assert store.read_now(lanes.lane_states) == []


def test_what_is_set_aside_of_a_way_goes_on_together_and_nothing_else(store: Store) -> None:
    desk, other = (Lane("acme", LaneKind.ROUTE, name) for name in ("desk", "other"))
    ids = [store.write_now(set_aside, desk) for _ in range(3)]
    store.write_now(set_aside, other)
    held = store.write_now(queue.accept, outgoing(lane=desk, hold="look at it"), now=NOON)

    def release(after: str) -> list[str]:
        return store.write_now(
            people.release_aside, "acme", "desk", after=after, now=NOON, limit=2
        )

    assert release("") == ids[:2]
    assert release(ids[1]) == ids[2:]
    assert release(ids[2]) == []
    states = {one.id: one.recipients[0].state for one in store.read_now(people.entries)}
    assert [states[one] for one in ids] == ["queued"] * 3
    assert states[held] == "held"
