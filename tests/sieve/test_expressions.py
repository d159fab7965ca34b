"""Regular expressions are POSIX extended, longest first, and linear."""

from __future__ import annotations

from time import thread_time

import pytest

from gateway.sieve.expressions import BadPattern, search


def found(pattern: str, text: str) -> list[str] | None:
    match = search(pattern, text.encode(), folds=True, max_bytes=1 << 20)
    return None if match is None else [*match]


def test_the_longest_of_the_leftmost_is_taken() -> None:
    assert found("(a|ab)(c|bcd)?", "xabcd") == ["abcd", "a", "bcd"]


def test_a_count_without_its_least_begins_at_none() -> None:
    assert found("^a{,2}$", "aa") == ["aa"]
    assert found("^a{,2}$", "aaa") is None
    assert found("a\\{,2}", "a{,2}") == ["a{,2}"]


def test_bytes_that_are_not_utf_8_come_back() -> None:
    match = search("a(.*)", b"a\xc3\xbc", folds=False, max_bytes=1 << 20)
    assert match == ["aü", "ü"]


@pytest.mark.parametrize("pattern", ["[", "(", "a{3,2}", "(?P<x>a)", "(a){9000}"])
def test_what_is_no_expression_is_told(pattern: str) -> None:
    with pytest.raises(BadPattern):
        found(pattern, "a")


def test_what_takes_others_forever_is_quick() -> None:
    begun = thread_time()
    assert found("^(a+)+$", "a" * 100_000 + "b") is None
    assert thread_time() - begun < 2
