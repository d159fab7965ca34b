"""Characters to tokens."""

from __future__ import annotations

import pytest

from gateway.sieve.diagnostics import Source
from gateway.sieve.lexer import read_tokens


def values(text: str) -> list[str | int]:
    source = Source(text, "x.sieve")
    found = [token.value for token in read_tokens(source)][:-1]
    assert source.errors == []
    return found


def faults(text: str) -> list[str]:
    source = Source(text, "x.sieve")
    read_tokens(source)
    return [one.message for one in source.errors]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"a\\b\\"\\\\"', ['ab"\\']),
        ("10 1K 2m 1G", [10, 1024, 2 << 20, 1 << 30]),
        ("# note\nKeep/* x */;", ["keep", ";"]),
        ("text:\n..dot\nend\n.\n;", [".dot\r\nend\r\n", ";"]),
        ("text: # note\r\na\r\n.\r\n", ["a\r\n"]),
        ('"one\ntwo"', ["one\r\ntwo"]),
        (":Is", ["is"]),
    ],
)
def test_a_token_has_its_value(text: str, found: list[str | int]) -> None:
    assert values(text) == found


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('"open', "not closed"),
        ("/* open", "not closed"),
        ("text:\nabc\n", "not ended"),
        ("text: abc", "line end"),
        ("18446744073709551616", "too large"),
        ("9" * 300, "too large"),
        ("a" * 33, "too long"),
        ("$$", "no meaning"),
    ],
)
def test_a_fault_is_one_sentence(text: str, word: str) -> None:
    assert len(faults(text)) == 1
    assert word in faults(text)[0]


def test_a_backslash_that_the_string_swallows_is_a_warning() -> None:
    source = Source('set "x" "\\d";', "x.sieve")
    read_tokens(source)
    assert [(one.column, one.width) for one in source.warnings] == [(10, 2)]
