from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from gateway.mail.ids import ALPHABET, first_id, new_id


def test_an_id_sorts_by_the_time_it_was_made_at() -> None:
    before = datetime.now(UTC)
    made = new_id()
    assert first_id(before) <= made < first_id(datetime.now(UTC) + timedelta(minutes=1))
    assert len(made) == 18
    assert set(made) <= set(ALPHABET)


def test_what_is_made_within_a_millisecond_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: at)
    made = [new_id() for _ in range(1000)]
    assert made == sorted(set(made))


def test_ids_follow_a_clock_that_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.now(UTC) - timedelta(hours=1)
    new_id()
    monkeypatch.setattr(time, "time_ns", lambda: int(at.timestamp()) * 10**9)
    assert first_id(at - timedelta(seconds=1)) <= new_id() < first_id(at + timedelta(seconds=1))
