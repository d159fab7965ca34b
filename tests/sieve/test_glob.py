"""`:matches`: shortest captures, in linear time."""

from __future__ import annotations

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.glob import find_spans, parse_pattern


def captures(pattern: str, value: str) -> list[str] | None:
    spans = find_spans(parse_pattern(pattern), value)
    return None if spans is None else [value[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("*", "", [""]),
        ("a*", "abc", ["bc"]),
        ("*b*", "abcb", ["a", "cb"]),
        ("*b*b", "abcbb", ["a", "cb"]),
        ("?", "x", ["x"]),
        ("a?c*", "abcd", ["b", "d"]),
        ("*a?c", "xxaacabc", ["xxaac", "b"]),
        (r"\*\?", "*?", []),
        ("abc", "abc", []),
        ("*[*]*", "Re: [list] x", ["Re: ", "list", " x"]),
    ],
)
def test_each_wildcard_takes_as_little_as_it_can(
    pattern: str, value: str, found: list[str]
) -> None:
    assert captures(pattern, value) == found


@pytest.mark.parametrize(
    ("pattern", "value"), [("a", "ab"), ("a?", "a"), ("*a", "b"), ("?", "")]
)
def test_what_does_not_fit_does_not_match(pattern: str, value: str) -> None:
    assert captures(pattern, value) is None


@given(st.text("ab*?\\", max_size=8), st.text("ab", max_size=12))
@settings(max_examples=150, deadline=None)
def test_it_says_what_trying_everything_says(pattern: str, value: str) -> None:
    assert (captures(pattern, value) is not None) == matches_slowly(pattern, value)


def test_many_stars_on_a_long_text_are_quick() -> None:
    value = "a" * 200_000
    begun = thread_time()
    assert captures("*a" * 50 + "*a?b", value) is None
    assert thread_time() - begun < 2


def matches_slowly(pattern: str, value: str) -> bool:
    if not pattern:
        return not value
    if pattern[0] == "*":
        return any(matches_slowly(pattern[1:], value[n:]) for n in range(len(value) + 1))
    if pattern[0] == "?":
        return bool(value) and matches_slowly(pattern[1:], value[1:])
    wanted = pattern[1:2] or "\\" if pattern[0] == "\\" else pattern[0]
    rest = pattern[2:] if pattern[0] == "\\" else pattern[1:]
    return value[:1] == wanted and matches_slowly(rest, value[1:])
