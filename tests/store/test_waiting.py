from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.mail.delivery import Lane, LaneKind, State
from gateway.store import journal, lanes, people, queue, waiting
from gateway.store.sqlite import Store
from tests.store.values import LANE, NOON, outgoing, set_aside

DESK = Lane("acme", LaneKind.ROUTE, "desk")
NOWHERE = Lane("acme", LaneKind.NONE, "")
WEEK = timedelta(days=7)
HOUR = timedelta(hours=1)


def hold_stale(store: Store, *, after: timedelta) -> list[waiting.Held]:
    return store.write_now(waiting.hold_stale, stale_after=WEEK, now=NOON + after)


def the_entry(store: Store) -> people.QueueEntry:
    (entry,) = store.read_now(people.entries)
    return entry


def pause(store: Store, *, after: timedelta = timedelta()) -> None:
    store.write_now(
        lanes.pause_lane, LANE, by="sign-in", reason="refused", fix="new key", now=NOON + after
    )


def test_mail_without_an_upstream_is_held_after_a_week(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(lane=NOWHERE), now=NOON)
    assert hold_stale(store, after=WEEK - HOUR) == []
    (stale,) = hold_stale(store, after=WEEK)
    assert (stale.message, stale.lane, stale.recipients) == (id_, NOWHERE, 1)
    entry = the_entry(store)
    assert entry.recipients[0].state == State.HELD
    assert entry.reason == "it could not be tried for 7 days: its sender has no upstream"
    assert entry.fix == f"mend that, then gateway queue release {id_}"
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    assert timeline.entries[-1].event == "delivery.stale"


def test_mail_in_a_paused_lane_is_held_with_the_reason_of_the_pause(store: Store) -> None:
    store.write_now(queue.accept, outgoing("a@x.example", "b@x.example"), now=NOON)
    pause(store, after=HOUR)
    assert hold_stale(store, after=WEEK) == []  # it could be tried for the first hour
    (stale,) = hold_stale(store, after=WEEK + HOUR)
    assert stale.recipients == 2
    assert the_entry(store).reason == "it could not be tried for 7 days: refused"


def test_what_is_held_for_that_is_told_by_lane_until_it_is_released(store: Store) -> None:
    store.write_now(queue.accept, outgoing("a@x.example", "b@x.example"), now=NOON)
    second = store.write_now(queue.accept, outgoing(hold="a person holds it"), now=NOON)
    pause(store)
    hold_stale(store, after=WEEK)
    (found,) = store.read_now(waiting.held_stale)
    assert (found.lane, found.recipients) == (LANE, 2)
    assert found.message != second
    store.write_now(people.release, found.message, now=NOON + WEEK)
    assert store.read_now(waiting.held_stale) == []


def test_what_a_route_does_not_take_is_told_by_lane_until_it_is_released(
    store: Store,
) -> None:
    first = store.write_now(set_aside, DESK)
    store.write_now(set_aside, DESK)
    held = store.write_now(queue.accept, outgoing(lane=DESK), now=NOON)
    store.write_now(people.hold, held, reason="look at it", now=NOON)
    (found,) = store.read_now(waiting.held_aside)
    assert (found.lane, found.recipients, found.message) == (DESK, 2, first)
    assert found.reason == "set aside: it is gone"
    assert store.read_now(waiting.held_stale) == []
    entry = store.read_now(people.entry, first)
    assert entry is not None
    assert entry.fix == f"mend it; then: gateway queue release {first}"
    timeline = store.read_now(journal.timeline, first)
    assert timeline is not None
    assert timeline.entries[-1].detail["fix"] == entry.fix
    store.write_now(people.release, first, now=NOON)
    (found,) = store.read_now(waiting.held_aside)
    assert found.recipients == 1


def test_mail_that_was_accepted_under_a_pause_waits_from_then_on(store: Store) -> None:
    pause(store)
    store.write_now(queue.accept, outgoing(), now=NOON + HOUR)
    assert hold_stale(store, after=WEEK) == []
    assert len(hold_stale(store, after=WEEK + HOUR)) == 1


def test_a_lane_that_was_open_for_a_while_begins_anew(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    pause(store)
    store.write_now(lanes.resume_lane, LANE, now=NOON + WEEK - HOUR)
    assert hold_stale(store, after=WEEK + HOUR) == []
    pause(store, after=WEEK + HOUR)
    assert hold_stale(store, after=2 * WEEK) == []
    assert len(hold_stale(store, after=2 * WEEK + HOUR)) == 1


def test_what_can_be_tried_is_never_stale(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    assert hold_stale(store, after=10 * WEEK) == []


def test_a_resumed_lane_does_not_release_what_is_stale(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    pause(store)
    hold_stale(store, after=WEEK)
    store.write_now(lanes.resume_lane, LANE, now=NOON + WEEK)
    assert store.read_now(lanes.due_lanes, now=NOON + WEEK) == []


def test_what_a_person_releases_without_an_upstream_keeps_its_reason(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(lane=NOWHERE), now=NOON)
    hold_stale(store, after=WEEK)
    store.write_now(people.release, id_, now=NOON + WEEK)
    entry = the_entry(store)
    assert entry.recipients[0].state == State.QUEUED
    assert entry.reason == "its sender has no upstream"
    assert "support@acme.example" in (entry.fix or "")
    assert hold_stale(store, after=WEEK + HOUR) == []  # it waits another week
    assert len(hold_stale(store, after=2 * WEEK)) == 1


def test_a_release_under_a_pause_does_not_start_the_give_up_clock(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    pause(store)
    hold_stale(store, after=WEEK)
    store.write_now(people.release, id_, now=NOON + WEEK)
    store.write_now(lanes.resume_lane, LANE, now=NOON + WEEK + HOUR)
    (batch,) = store.write_now(
        queue.claim, LANE, owner="node", now=NOON + WEEK + 2 * HOUR, lease=HOUR, messages=9,
        recipients=9,
    )  # fmt: skip
    assert batch.deliveries[0].sendable_seconds == pytest.approx(3600)


def test_what_is_set_aside_for_days_has_its_tries_left_once_it_is_released(
    store: Store,
) -> None:
    id_ = store.write_now(set_aside, DESK, now=NOON)
    store.write_now(people.release, id_, now=NOON + WEEK)
    (batch,) = store.write_now(
        queue.claim, DESK, owner="node", now=NOON + WEEK + HOUR, lease=HOUR, messages=9,
        recipients=9,
    )  # fmt: skip
    assert batch.deliveries[0].sendable_seconds == pytest.approx(3600)


def test_the_clock_of_what_is_being_sent_runs_again_when_a_pause_ends(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    for pause_at, claim_at in ((HOUR, timedelta()), (5 * HOUR, 4 * HOUR)):
        (batch,) = store.write_now(
            queue.claim, LANE, owner="node", now=NOON + claim_at, lease=WEEK, messages=9,
            recipients=9,
        )  # fmt: skip
        pause(store, after=pause_at)
        store.write_now(lanes.resume_lane, LANE, now=NOON + pause_at + HOUR)
        store.write_now(queue.give_back, batch)
    assert batch.deliveries[0].sendable_seconds == pytest.approx(3 * 3600)


def test_what_is_scheduled_is_queued_at_its_hour_and_waits_from_then_on(store: Store) -> None:
    later = outgoing(lane=NOWHERE)
    envelope = replace(later.envelope, hold_until=NOON + HOUR)
    store.write_now(queue.accept, replace(later, envelope=envelope), now=NOON)
    assert store.write_now(waiting.begin_scheduled, now=NOON) == 0
    assert the_entry(store).recipients[0].state == State.SCHEDULED
    assert store.write_now(waiting.begin_scheduled, now=NOON + HOUR) == 1
    assert the_entry(store).recipients[0].state == State.QUEUED
    assert hold_stale(store, after=WEEK) == []
    assert len(hold_stale(store, after=WEEK + HOUR)) == 1


def test_at_most_so_many_are_held_in_one_transaction(store: Store) -> None:
    for _ in range(3):
        store.write_now(queue.accept, outgoing(lane=NOWHERE), now=NOON)
    held = store.write_now(waiting.hold_stale, stale_after=WEEK, now=NOON + WEEK, limit=2)
    assert len(held) == 2
    assert len(hold_stale(store, after=WEEK)) == 1


@pytest.mark.parametrize(("after", "said"), [
    (timedelta(days=1), "1 day"), (timedelta(hours=30), "30 hours"),
    (timedelta(minutes=90), "90 minutes"),
])  # fmt: skip
def test_the_reason_says_how_long(store: Store, after: timedelta, said: str) -> None:
    store.write_now(queue.accept, outgoing(lane=NOWHERE), now=NOON)
    (stale,) = store.write_now(waiting.hold_stale, stale_after=after, now=NOON + after)
    assert stale.reason == f"it could not be tried for {said}: its sender has no upstream"
