from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.mail.delivery import Decision
from gateway.store import interrupted, journal, people, queue
from gateway.store.sqlite import Store
from tests.store.test_queue import LEASE, claim, result
from tests.store.values import NOON, outgoing


def test_an_earlier_life_of_this_process_loses_its_leases_at_once(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    claim(store)
    assert store.write_now(interrupted.take_back, owner_prefix="other/", now=NOON) == 0
    assert store.write_now(interrupted.take_back, owner_prefix="node/", now=NOON) == 1
    assert len(claim(store)) == 1


@pytest.mark.parametrize("died", [True, False])
def test_what_was_being_sent_at_a_crash_is_told_as_perhaps_delivered(
    store: Store, died: bool
) -> None:
    """By the next life of the process, or by whoever takes over a lease that has run out."""
    id_ = store.write_now(queue.accept, outgoing("a@x.example", "b@x.example"), now=NOON)
    claim(store)
    if died:
        store.write_now(interrupted.take_back, owner_prefix="node/", now=NOON)
    claim(store, now=NOON + 2 * LEASE)
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    told = [one.detail for one in timeline.entries if one.event == "delivery.interrupted"]
    assert [one["recipient"] for one in told] == ["a@x.example", "b@x.example"]
    assert all(one["perhaps_delivered"] for one in told)


def test_a_mail_that_ends_the_process_again_and_again_rests_ever_longer(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    for _ in range(interrupted.MANY):
        assert len(claim(store)) == 1
        store.write_now(interrupted.take_back, owner_prefix="node/", now=NOON)
    assert claim(store) == []
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    assert entry.reason == interrupted.REASON
    assert f"gateway queue hold {id_}" in (entry.fix or "")
    now = NOON
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        now += timedelta(minutes=minutes)
        assert claim(store, now=now - timedelta(seconds=1)) == []
        assert len(claim(store, now=now)) == 1
        store.write_now(interrupted.take_back, owner_prefix="node/", now=now)


def test_a_mail_does_not_rest_because_the_gateway_was_stopped_often(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    for _ in range(interrupted.MANY + 1):
        store.write_now(interrupted.cut_short, claim(store), now=NOON)
    assert len(claim(store)) == 1


def test_what_was_tried_to_the_end_begins_to_count_anew(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    for _ in range(interrupted.MANY - 1):
        claim(store)
        store.write_now(interrupted.take_back, owner_prefix="node/", now=NOON)
    (batch,) = claim(store)
    store.write_now(queue.record, batch, result(batch, Decision.DEFER, wait=LEASE), now=NOON)
    claim(store, now=NOON + LEASE)
    store.write_now(interrupted.take_back, owner_prefix="node/", now=NOON + LEASE)
    assert len(claim(store, now=NOON + LEASE)) == 1


def test_a_clock_that_is_set_ahead_ends_no_lease_of_who_is_at_work(store: Store) -> None:
    """Else what is past its final dot would be sent once more beside."""
    store.write_now(queue.accept, outgoing(), now=NOON)
    (batch,) = claim(store)
    assert claim(store, now=NOON + 2 * LEASE, spared=[batch.token]) == []
    assert len(claim(store, now=NOON + 2 * LEASE)) == 1
