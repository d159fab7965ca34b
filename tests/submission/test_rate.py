"""Counting what happened lately."""

from __future__ import annotations

from gateway.submission.rate import MAX_KEYS, RecentCount


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
