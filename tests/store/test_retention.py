from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.mail.delivery import Attempt, Decision, Phase, Result, Verdict
from gateway.mail.ids import first_id, new_id
from gateway.mail.inbound import Fetched
from gateway.mail.reply import Reply
from gateway.store import inbox, journal, queue, retention
from gateway.store.sqlite import Db, Store
from tests.store.values import CONTENT, LANE, NOON, outgoing

DAY = timedelta(days=1)


def id_at(at: datetime) -> str:
    return first_id(at) + new_id()[10:]


def accept(store: Store, *, at: datetime = NOON, content: bytes = CONTENT) -> str:
    letter = replace(outgoing(content=content), id=id_at(at))
    return store.write_now(queue.accept, letter, now=at)


def deliver(store: Store, *, at: datetime, decision: Decision = Decision.DELIVERED) -> None:
    batches = store.write_now(
        queue.claim, LANE, owner="n", now=at, lease=DAY, messages=99, recipients=9
    )
    for batch in batches:
        attempt = Attempt(at=at, host="mx", phase=Phase.AFTER_DOT, reply=Reply(250, None, "ok"))
        verdict = Verdict(decision=decision, cause="accepted", meaning="it says so")
        result = Result(
            delivery=batch.deliveries[0].number, attempt=attempt, verdict=verdict,
            next_attempt_at=None,
        )  # fmt: skip
        store.write_now(queue.record, batch, [result], now=at)


def fetch(store: Store, *, uid: int = 1, outcome: str | None = "routed") -> str:
    fetched = Fetched(
        id=id_at(NOON), tenant="acme", mailbox="m@acme.example", folder="INBOX",
        uidvalidity=1, uid=uid, internal_date=NOON, junk=False, backfill=False, content=CONTENT,
    )  # fmt: skip
    store.write_now(inbox.store_fetched, fetched, now=NOON)
    if outcome:
        store.write_now(inbox.finish, fetched.id, outcome, rule="a rule", now=NOON)
    return fetched.id


def remove(store: Store, *, now: datetime) -> retention.Step[str]:
    return store.write_now(
        retention.remove_contents, after="", sent_before=now - 14 * DAY,
        received_before=now - 30 * DAY,
    )  # fmt: skip


def has_content(store: Store, id_: str) -> bool:
    return store.read_now(queue.content_of, id_) is not None


def test_what_was_sent_goes_at_its_age(store: Store) -> None:
    id_ = accept(store)
    deliver(store, at=NOON + DAY)
    assert remove(store, now=NOON + 14 * DAY).removed == 0  # delivered a day later
    step = remove(store, now=NOON + 15 * DAY)
    assert (step.removed, step.size_bytes, step.next_after) == (1, len(CONTENT), None)
    assert not has_content(store, id_)


@pytest.mark.parametrize("decision", [None, Decision.SET_ASIDE])
def test_what_waits_is_never_removed(store: Store, decision: Decision | None) -> None:
    id_ = accept(store)
    if decision:
        deliver(store, at=NOON, decision=decision)
    assert remove(store, now=NOON + 1000 * DAY).removed == 0
    assert has_content(store, id_)


def test_what_was_received_goes_at_an_age_of_its_own(store: Store) -> None:
    id_ = fetch(store)
    assert remove(store, now=NOON + 20 * DAY).removed == 0
    assert remove(store, now=NOON + 31 * DAY).removed == 1
    loaded = store.read_now(inbox.load, id_)
    assert loaded is not None
    assert (loaded.outcome, loaded.fetched.content) == ("routed", b"")


@pytest.mark.parametrize("outcome", [None, "held", "set_aside"])
def test_received_mail_that_somebody_still_needs_is_kept(
    store: Store, outcome: str | None
) -> None:
    id_ = fetch(store, outcome=outcome)
    assert remove(store, now=NOON + 1000 * DAY).removed == 0
    assert has_content(store, id_)


def test_a_removed_message_is_still_traced(store: Store) -> None:
    id_ = accept(store)
    deliver(store, at=NOON)
    remove(store, now=NOON + 15 * DAY)
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    assert [one.event for one in timeline.entries] == ["message.accepted", "delivery.delivered"]


def test_a_step_is_bounded_and_says_where_the_next_begins(store: Store) -> None:
    for number in range(5):
        accept(store, at=NOON + number * timedelta(seconds=1))
    deliver(store, at=NOON + timedelta(minutes=1))
    removed, after = [], ""
    while True:
        step = store.write_now(
            retention.remove_contents, after=after, sent_before=NOON + DAY,
            received_before=NOON, limit=2,
        )  # fmt: skip
        removed.append(step.removed)
        if step.next_after is None:
            break
        after = step.next_after
    assert removed == [2, 2, 1]


def test_a_step_removes_only_so_many_bytes(store: Store) -> None:
    for number in range(5):
        accept(store, at=NOON + number * timedelta(seconds=1))
    deliver(store, at=NOON + timedelta(minutes=1))
    step = store.write_now(
        retention.remove_contents, after="", sent_before=NOON + DAY, received_before=NOON,
        most_bytes=2 * len(CONTENT),
    )  # fmt: skip
    assert (step.removed, step.next_after is None) == (2, False)


def rows(db: Db) -> list[str]:
    return [row[0] for row in db.execute("SELECT event FROM journal ORDER BY number")]


def test_the_journal_goes_at_its_age_with_its_index_and_keeps_what_waits(store: Store) -> None:
    accept(store)
    deliver(store, at=NOON)
    waits = accept(store)
    accept(store, at=NOON + 10 * DAY)
    assert len(store.write_now(journal.search, ["ann@example.org"])) == 3
    step = store.write_now(retention.remove_journal, after=0, before=NOON + DAY)
    assert (step.removed, step.next_after) == (2, None)
    assert store.read_now(rows) == ["message.accepted", "message.accepted"]
    found = [one.id for one in store.write_now(journal.search, ["ann@example.org"])]
    assert len(found) == 2
    assert waits in found


def test_the_newest_journal_row_stays_so_that_numbers_are_never_given_twice(
    store: Store,
) -> None:
    accept(store)
    deliver(store, at=NOON)
    store.write_now(retention.remove_journal, after=0, before=NOON + DAY)
    assert store.read_now(journal.last_number) == 2


def test_the_room_of_what_was_removed_is_given_back_in_small_steps(store: Store) -> None:
    size = retention.LEFT_FREE_PAGES * 4096 + 2_000_000
    accept(store, content=CONTENT + b"x" * size)
    deliver(store, at=NOON)
    remove(store, now=NOON + 15 * DAY)
    before = store.read_now(_pages)
    steps = 0
    while store.write_now(retention.shrink, pages=100):
        steps += 1
    assert steps >= 3
    assert store.read_now(_pages) < before - 400


def _pages(db: Db) -> int:
    return int(db.execute("PRAGMA page_count").fetchone()[0])
