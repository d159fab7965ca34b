from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.mail.ids import ALPHABET, first_id, new_id, number_after

NOON_MS = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp() * 1000)
HOUR_MS = 3_600_000


def test_an_id_sorts_by_the_time_it_was_made_at() -> None:
    before = datetime.now(UTC)
    made = new_id()
    assert first_id(before) <= made < first_id(datetime.now(UTC) + timedelta(minutes=1))
    assert len(made) == 18
    assert set(made) <= set(ALPHABET)


def test_what_is_made_one_after_the_other_keeps_its_order() -> None:
    made = [new_id() for _ in range(1000)]
    assert made == sorted(set(made))


def test_what_is_made_within_a_millisecond_keeps_its_order() -> None:
    numbers = [number_after(0, at_ms=NOON_MS)]
    for _ in range(1000):
        numbers.append(number_after(numbers[-1], at_ms=NOON_MS))
    assert numbers == sorted(set(numbers))


def test_ids_follow_a_clock_that_is_set_back() -> None:
    before = number_after(0, at_ms=NOON_MS)
    assert number_after(before, at_ms=NOON_MS - HOUR_MS) >> 40 == NOON_MS - HOUR_MS
