from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.store import marks
from gateway.store.sqlite import Store
from tests.store.values import NOON

MARK = marks.Mark(tenant="acme", kind="duplicate", handle="", key="<1@x.example>")
YEAR = timedelta(days=365)
SENDER = "ann@x.example"


def note(store: Store, *, at: datetime) -> None:
    store.write_now(marks.add, [MARK], now=at)
    store.write_now(
        marks.note_answer,
        tenant="acme",
        mailbox="m@acme.example",
        handle="away",
        sender=SENDER,
        now=at,
    )


def counts(store: Store) -> tuple[int, int]:
    since = NOON - 9 * YEAR
    return (
        store.read_now(marks.count, MARK, since=since),
        store.read_now(marks.answers_to, tenant="acme", sender=SENDER, since=since),
    )


def test_a_duplicate_that_was_kept_since_is_no_limit(store: Store) -> None:
    before = store.read_now(marks.newest)
    limit = replace(MARK, kind="limit")
    for mark in (MARK, limit):
        store.write_now(marks.add, [mark], seen_to=before, now=NOON)
    store.write_now(marks.add, [limit], seen_to=before, now=NOON)
    with pytest.raises(marks.Outdated):
        store.write_now(marks.add, [MARK], seen_to=before, now=NOON)
    store.write_now(marks.add, [MARK], seen_to=store.read_now(marks.newest), now=NOON)
    assert counts(store) == (2, 0)


def test_what_is_older_than_anybody_looks_back_is_removed_in_small_steps(store: Store) -> None:
    for _ in range(3):
        note(store, at=NOON - YEAR)
    note(store, at=NOON)
    assert not store.write_now(marks.forget, now=NOON)
    assert counts(store) == (4, 4)
    later = NOON + timedelta(days=2)
    assert store.write_now(marks.forget, now=later, limit=2)
    assert counts(store) == (2, 2)
    assert not store.write_now(marks.forget, now=later, limit=2)
    assert counts(store) == (1, 1)
