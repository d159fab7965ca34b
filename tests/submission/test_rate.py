"""Counting what happened lately."""

from __future__ import annotations

import pytest

from gateway.submission.rate import MAX_KEYS, RecentCount, parse_limit


def test_only_what_is_recent_counts() -> None:
    recent = RecentCount(seconds=60)
    for now in (0, 30, 59):
        recent.add("a", now=now)
    assert [recent.count("a", now=now) for now in (59, 60, 89, 90, 119)] == [3, 2, 2, 1, 0]
    assert recent.count("b", now=0) == 0


def test_the_key_that_was_quiet_longest_is_forgotten_first() -> None:
    recent = RecentCount(seconds=60)
    recent.add("a", now=0)
    for number in range(MAX_KEYS):
        recent.add(str(number), now=1)
    assert recent.count("a", now=2) == 0
    assert recent.count("0", now=2) == 1


def test_a_limit_is_a_number_in_a_time() -> None:
    assert parse_limit("10/10m") == (10, 600.0)


@pytest.mark.parametrize("text", ["10", "0/1m", "x/1m", "10/", "10/10", "-1/1m"])
def test_what_is_no_limit_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_limit(text)
