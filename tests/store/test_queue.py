from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from gateway.mail.delivery import (
    MOVES,
    Attempt,
    Batch,
    Decision,
    Lane,
    LaneKind,
    Phase,
    Result,
    State,
    Verdict,
)
from gateway.mail.message import Edit
from gateway.mail.reply import Reply
from gateway.store import books, journal, lanes, people, queue, threads
from gateway.store.batch import content_that_leaves
from gateway.store.sqlite import Store
from tests.store.values import CONTENT, LANE, NOON, outgoing

LEASE = timedelta(minutes=5)


def claim(
    store: Store, *, now: datetime = NOON, recipients: int = 100, spared: Sequence[str] = ()
) -> list[Batch]:
    return store.write_now(
        queue.claim,
        LANE,
        owner="node/life-1",
        now=now,
        lease=LEASE,
        messages=50,
        recipients=recipients,
        spared=spared,
    )


def result(
    batch: Batch, decision: Decision, *, code: int = 250, wait: timedelta | None = None
) -> list[Result]:
    return [
        Result(
            delivery=one.number,
            attempt=Attempt(
                at=NOON, host="mx", phase=Phase.DATA, reply=Reply(code, None, "text")
            ),
            verdict=Verdict(decision=decision, cause="accepted", meaning="it says so"),
            next_attempt_at=NOON + wait if wait else None,
        )
        for one in batch.deliveries
    ]


def test_an_accepted_message_is_claimed_with_its_bytes_and_recipients(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing("a@x.example", "b@y.example"), now=NOON)
    store.write_now(threads.set_conversation, id_, "C1")
    (batch,) = claim(store)
    assert (batch.message, batch.conversation) == (id_, "C1")
    assert batch.content == CONTENT
    assert [str(one.recipient.address) for one in batch.deliveries] == [
        "a@x.example",
        "b@y.example",
    ]
    assert str(batch.envelope.return_path) == "support@acme.example"


def test_recorded_edits_come_back_as_they_were(store: Store) -> None:
    edits = (
        Edit("Subject", None), Edit("X-A", "1", last=True), Edit("text/plain", "f", body=True),
        Edit("", "\udcff", span=(3, 9)),
    )  # fmt: skip
    store.write_now(queue.accept, replace(outgoing(), edits=edits), now=NOON)
    (batch,) = claim(store)
    assert batch.edits == edits


def test_what_is_claimed_is_not_claimed_twice_while_the_lease_runs(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    assert len(claim(store)) == 1
    assert claim(store) == []
    assert len(claim(store, now=NOON + LEASE + timedelta(seconds=1))) == 1


def test_large_messages_are_claimed_a_few_at_a_time(store: Store) -> None:
    """What is claimed is read into memory, by the thread on which everybody waits."""
    for part in (0.4, 0.4, 0.4, 1.1, 0.1):
        content = CONTENT + b"x" * int(queue.CLAIM_BYTES * part)
        store.write_now(queue.accept, outgoing(content=content), now=NOON)
    assert [len(claim(store)) for _ in range(4)] == [2, 1, 1, 1]


def test_a_token_that_is_no_longer_current_changes_nothing(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    (old,) = claim(store)
    (new,) = claim(store, now=NOON + LEASE + timedelta(seconds=1))
    store.write_now(queue.record, old, result(old, Decision.FAIL, code=550), now=NOON)
    later = NOON + LEASE + timedelta(seconds=1)
    assert not store.write_now(queue.renew, old, now=later, lease=LEASE)
    assert store.write_now(queue.renew, new, now=later, lease=LEASE)
    entry = store.read_now(people.entry, id_)
    assert entry is not None
    assert entry.recipients[0].state == "claimed"


def test_the_recipients_of_a_batch_are_bounded_and_the_rest_follows(store: Store) -> None:
    names = [f"u{n}@x.example" for n in range(5)]
    store.write_now(queue.accept, outgoing(*names), now=NOON)
    (first,) = claim(store, recipients=3)
    (second,) = claim(store, recipients=3)
    assert [len(first.deliveries), len(second.deliveries)] == [3, 2]


def test_the_books_balance_whatever_becomes_of_a_message(store: Store) -> None:
    decisions = [Decision.DELIVERED, Decision.FAIL, Decision.DEFER, Decision.SET_ASIDE]
    for _ in range(6):
        store.write_now(queue.accept, outgoing("a@x.example", "b@x.example"), now=NOON)
    for batch, decision in zip(claim(store), decisions, strict=False):
        found = result(batch, decision, wait=LEASE if decision is Decision.DEFER else None)
        store.write_now(queue.record, batch, found, now=NOON)
    held = store.read_now(people.entries, state="held")[0].id
    store.write_now(people.delete, held, now=NOON)
    out = store.read_now(books.outbound)
    assert (out.accepted, out.delivered, out.failed, out.removed) == (12, 2, 2, 2)
    assert out.waiting == 6
    assert out.difference == 0


def test_a_delay_is_told_once_whatever_comes_after(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    (batch,) = claim(store)
    assert not batch.deliveries[0].is_delay_told
    late = [
        replace(one, delayed_until=NOON + LEASE)
        for one in result(batch, Decision.DEFER, wait=LEASE)
    ]
    recorded = store.write_now(queue.record, batch, late, now=NOON)
    assert [one.number for one, _ in recorded.delayed] == [batch.deliveries[0].number]
    assert store.write_now(queue.record, batch, late, now=NOON).delayed == ()  # a stale token
    store.write_now(people.retry, id_, now=NOON)
    (again,) = claim(store)
    assert again.deliveries[0].is_delay_told
    store.write_now(queue.record, again, result(again, Decision.DEFER, wait=LEASE), now=NOON)
    (third,) = claim(store, now=NOON + 2 * LEASE)
    assert third.deliveries[0].is_delay_told


def test_a_paused_lane_gives_nothing_and_stops_the_give_up_clock(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    hour = timedelta(hours=1)
    store.write_now(
        lanes.pause_lane, LANE, by="sign-in", reason="refused", fix="new key", now=NOON + hour
    )
    assert store.read_now(lanes.due_lanes, now=NOON + 2 * hour) == []
    entry = store.read_now(people.entries)[0]
    assert (entry.reason, entry.fix) == ("refused", "new key")
    store.write_now(lanes.resume_lane, LANE, now=NOON + 10 * hour)
    (batch,) = claim(store, now=NOON + 11 * hour)
    assert batch.deliveries[0].sendable_seconds == pytest.approx(2 * 3600)
    assert store.read_now(people.entries)[0].reason is None


def test_a_sign_in_refused_does_not_count_as_a_try(store: Store) -> None:
    store.write_now(queue.accept, outgoing(), now=NOON)
    (batch,) = claim(store)
    store.write_now(
        queue.record, batch, result(batch, Decision.SIGN_IN_REFUSED, code=535), now=NOON
    )
    (again,) = claim(store)
    assert again.deliveries[0].attempts == 0


def test_due_lanes_names_each_lane_once_with_its_earliest_time(store: Store) -> None:
    other = Lane("beta", LaneKind.ROUTE, "helpdesk")
    for lane in (LANE, LANE, other):
        store.write_now(queue.accept, outgoing(lane=lane), now=NOON)
    (batch, second) = claim(store)
    store.write_now(queue.record, batch, result(batch, Decision.DEFER, wait=LEASE), now=NOON)
    store.write_now(
        queue.record, second, result(second, Decision.DEFER, wait=2 * LEASE), now=NOON
    )
    due = store.read_now(lanes.due_lanes, now=NOON)
    assert [(one.lane, one.next_at) for one in due] == [(LANE, NOON + LEASE), (other, NOON)]


def test_mail_without_an_upstream_waits_with_a_reason(store: Store) -> None:
    lane = Lane("acme", LaneKind.NONE, "")
    store.write_now(queue.accept, outgoing(lane=lane), now=NOON)
    assert store.read_now(lanes.due_lanes, now=NOON) == []
    assert store.read_now(people.entries)[0].reason == "its sender has no upstream"


@pytest.mark.parametrize(("state", "to"), list(product(State, State)))
def test_the_store_refuses_every_move_that_is_not_in_the_table(
    store: Store, state: State, to: State
) -> None:
    """`MOVES` is the one table of moves; the condition of every change is made from it."""
    assert (f"'{state.value}'" in queue.sources(to)) == (to in MOVES[state])


def test_what_happened_is_told_in_one_timeline_by_any_id(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    (batch,) = claim(store)
    store.write_now(queue.record, batch, result(batch, Decision.DELIVERED), now=NOON)
    for name in (id_, "<one@acme.example>", "one@acme.example"):
        timeline = store.read_now(journal.timeline, name)
        assert timeline is not None
        assert [one.event for one in timeline.entries] == [
            "message.accepted",
            "delivery.delivered",
        ]


def test_an_upstream_that_counts_anew_gives_the_newest_by_its_id(store: Store) -> None:
    for _ in range(2):
        newest = store.write_now(queue.accept, outgoing(), now=NOON)
        (batch,) = claim(store)
        (sent,) = result(batch, Decision.DELIVERED)
        named = replace(sent, attempt=replace(sent.attempt, remote_id="1"))
        store.write_now(queue.record, batch, [named], now=NOON)
    assert store.read_now(journal.find_message, "1") == newest


def test_a_search_finds_part_of_an_address(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing("ann.smith@example.org"), now=NOON)
    store.write_now(queue.accept, outgoing("bob@example.org"), now=NOON)
    assert [one.id for one in store.write_now(journal.search, ["smith@exam"])] == [id_]
    assert store.write_now(journal.search, ["nobody@"]) == []


def test_a_scheduled_message_waits_for_its_hour_and_says_so(store: Store) -> None:
    """RFC 4865."""
    hour = timedelta(hours=1)
    letter = outgoing()
    envelope = replace(letter.envelope, hold_until=NOON + hour)
    id_ = store.write_now(queue.accept, replace(letter, envelope=envelope), now=NOON)
    assert claim(store) == []
    (entry,) = store.read_now(people.entries, state="scheduled")
    assert entry.reason == "it is scheduled for 2026-11-24 13:00:00Z"
    assert entry.recipients[0].next_attempt_at == NOON + hour
    (due,) = store.read_now(lanes.due_lanes, now=NOON)
    assert due.next_at == NOON + hour
    (batch,) = claim(store, now=NOON + 2 * hour)
    assert (batch.message, batch.envelope.hold_until) == (id_, NOON + hour)
    assert batch.deliveries[0].sendable_seconds == 0
    assert store.read_now(people.entries)[0].reason is None


def test_a_scheduled_message_is_cancelled_by_its_deletion(store: Store) -> None:
    letter = outgoing()
    envelope = replace(letter.envelope, hold_until=NOON + timedelta(hours=1))
    id_ = store.write_now(queue.accept, replace(letter, envelope=envelope), now=NOON)
    store.write_now(people.delete, id_, now=NOON)
    assert claim(store, now=NOON + timedelta(days=1)) == []
    assert store.read_now(books.outbound).difference == 0


@pytest.mark.parametrize(
    ("decision", "said"), [(Decision.DEFER, "retry"), (Decision.SET_ASIDE, "release")]
)
def test_what_waits_tells_what_a_person_can_do(
    store: Store, decision: Decision, said: str
) -> None:
    id_ = store.write_now(queue.accept, outgoing(), now=NOON)
    (batch,) = claim(store)
    wait = LEASE if decision is Decision.DEFER else None
    store.write_now(queue.record, batch, result(batch, decision, wait=wait), now=NOON)
    (entry,) = store.read_now(people.entries)
    assert f"gateway queue {said} {id_}" in (entry.fix or "")


def test_what_leaves_of_a_message_has_its_edits(store: Store) -> None:
    """A link to an attachment counts the parts of this, not of what was stored."""
    edited = replace(outgoing(), edits=(Edit("Subject", None),))
    id_ = store.write_now(queue.accept, edited, now=NOON)
    left = store.read_now(content_that_leaves, id_)
    assert left == edited.content.replace(b"Subject: Hello\r\n", b"")
    assert store.read_now(content_that_leaves, "01ARZ3NDEKTSV4RRXX") is None
