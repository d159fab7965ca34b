from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.mail.delivery import (
    Attempt,
    Decision,
    Lane,
    LaneKind,
    Phase,
    Recorded,
    Result,
    State,
    Verdict,
)
from gateway.mail.reply import Reply
from gateway.store import books, given_up, journal, lanes, people, queue
from gateway.store.errors import Conflict
from gateway.store.sqlite import Store
from tests.store.values import LANE, NOON, outgoing

HOUR = timedelta(hours=1)
FULL = Reply(452, "4.2.2", "mailbox full")
LATER = Verdict(decision=Decision.DEFER, cause="deferred", meaning="It is tried again.")


def give_up(store: Store, name: str) -> Recorded:
    return store.write_now(given_up.give_up, name, now=NOON + HOUR)[1]


def try_once(store: Store) -> None:
    """Let the first due recipient be deferred by its server."""
    (batch,) = store.write_now(
        queue.claim, LANE, owner="node", now=NOON, lease=HOUR, messages=1, recipients=1
    )
    attempt = Attempt(at=NOON, host="mx.example", phase=Phase.RCPT, reply=FULL)
    result = Result(
        delivery=batch.deliveries[0].number, attempt=attempt, verdict=LATER,
        next_attempt_at=NOON + HOUR,
    )  # fmt: skip
    store.write_now(queue.record, batch, [result], now=NOON)


def states(store: Store, name: str) -> list[str]:
    found = store.read_now(people.entry, name)
    assert found is not None
    return [one.state for one in found.recipients]


def test_what_was_tried_fails_with_the_last_words_of_its_server(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing("a@x.example", "b@x.example"), now=NOON)
    try_once(store)
    recorded = give_up(store, id_)
    attempts = [result.attempt for _, result in recorded.failed]
    assert [(one.host, one.reply.as_line()) for one in attempts] == [
        ("mx.example", FULL.as_line()),
        ("", given_up.GIVEN_UP.meaning),  # it was never tried
    ]
    assert recorded.is_finished
    assert states(store, id_) == [State.FAILED] * 2
    assert store.read_now(lanes.due_lanes, now=NOON + HOUR) == []
    book = store.read_now(books.outbound)
    assert (book.failed, book.difference) == (2, 0)
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    assert timeline.entries[-1].event == "queue.bounce"


def test_what_is_being_sent_is_left_to_its_session(store: Store) -> None:
    id_ = store.write_now(queue.accept, outgoing("a@x.example", "b@x.example"), now=NOON)
    store.write_now(
        queue.claim, LANE, owner="node", now=NOON, lease=HOUR, messages=1, recipients=1
    )
    recorded = give_up(store, id_)
    assert len(recorded.failed) == 1
    assert not recorded.is_finished
    assert states(store, id_) == [State.CLAIMED, State.FAILED]
    with pytest.raises(Conflict, match="its recipients are claimed, failed"):
        give_up(store, id_)


def test_held_and_scheduled_mail_is_given_up_too(store: Store) -> None:
    held = store.write_now(queue.accept, outgoing(hold="look at it"), now=NOON)
    later = outgoing(lane=Lane("acme", LaneKind.NONE, ""))
    envelope = replace(later.envelope, hold_until=NOON + 2 * HOUR)
    scheduled = store.write_now(queue.accept, replace(later, envelope=envelope), now=NOON)
    for id_ in (held, scheduled):
        give_up(store, id_)
        assert states(store, id_) == [State.FAILED]
    assert store.read_now(books.outbound).difference == 0


def test_what_is_on_its_way_to_a_helpdesk_is_given_back_to_nobody(store: Store) -> None:
    route = outgoing(lane=Lane("acme", LaneKind.ROUTE, "desk"))
    id_ = store.write_now(queue.accept, route, now=NOON)
    with pytest.raises(Conflict, match=f"gateway queue delete {id_} removes it"):
        give_up(store, id_)
    assert states(store, id_) == [State.QUEUED]
    with pytest.raises(Conflict, match="there is no message 'X'"):
        give_up(store, "X")
