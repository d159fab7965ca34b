"""Strings with `${...}` in them."""

from __future__ import annotations

import pytest

from gateway.sieve.strings import BadText, decode_characters, split_references


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("${hex:24 40}", "$@"),
        ("${hex: c3 bc}", "ü"),
        ("${unicode:40}${UNICODE: 1F4A9 }", "@\U0001f4a9"),
        ("${hex:}${hex:400}${hex:4", "${hex:}${hex:400}${hex:4"),
        ("a${b}c", "a${b}c"),
    ],
)
def test_encoded_characters_are_replaced(text: str, found: str) -> None:
    assert decode_characters(text) == found


@pytest.mark.parametrize("text", ["${unicode:D800}", "${unicode:110000}"])
def test_a_character_that_does_not_exist_is_told(text: str) -> None:
    with pytest.raises(BadText):
        decode_characters(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a${B}c", ["a", ("b",), "c"]),
        ("${BAD${x}", ["${BAD", ("x",)]),
        ("${1}${a.b}", [("1",), ("a.b",)]),
        ("${}${a b}${", ["${}${a b}${"]),
        ("", [""]),
    ],
)
def test_references_are_found(text: str, found: list[object]) -> None:
    assert split_references(text) == found
