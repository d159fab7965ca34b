"""What is looked at every second, or for each message, costs the same in a long queue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.mail.delivery import Lane, LaneKind, State
from gateway.store import lanes, outbound_holds, queue, waiting
from gateway.store.sqlite import Db, Store
from tests.store.values import NOON, outgoing

LANE = Lane("acme", LaneKind.UPSTREAM, "relay")
MANY = 1000
STEP = 10  # instructions of SQLite's machine, counted so many at once

Look = Callable[[Db], object]
LOOKS: dict[str, Look] = {
    "due lanes": lambda db: lanes.due_lanes(db, now=NOON),
    "states of lanes": lanes.lane_states,
    "holds that end": lambda db: outbound_holds.due(db, now=NOON),
    "what goes on after a hold": outbound_holds.ending,
    "what begins now": lambda db: waiting.begin_scheduled(db, now=NOON),
    "a claim": lambda db: queue.claim(
        db, LANE, owner="one", now=NOON, lease=timedelta(minutes=5), messages=1, recipients=1
    ),
}


def steps_of(db: Db, look: Look) -> int:
    """Return how much SQLite's machine does for one look, in units of STEP instructions."""
    count = 0

    def one_more() -> int:
        nonlocal count
        count += 1
        return 0

    db.set_progress_handler(one_more, STEP)
    look(db)
    db.set_progress_handler(None, 0)
    return count


@pytest.mark.parametrize("state", [State.DEFERRED, State.HELD, State.DELIVERED])
@pytest.mark.parametrize("name", LOOKS)
def test_a_look_does_not_walk_the_queue(store: Store, name: str, state: State) -> None:
    def accept(db: Db, count: int) -> None:
        for _ in range(count):
            queue.accept(db, outgoing(lane=LANE), now=NOON)
        later = (NOON + timedelta(days=1)).timestamp()
        values = (state.value, None if state is State.DELIVERED else later)
        db.execute("UPDATE delivery SET state = ?, next_attempt_at = ?", values)

    store.write_now(accept, count=10)
    few = store.write_now(steps_of, LOOKS[name])
    store.write_now(accept, count=MANY)
    assert store.write_now(steps_of, LOOKS[name]) < few + MANY / STEP
