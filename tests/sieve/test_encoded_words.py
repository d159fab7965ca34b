"""Encoded words, read leniently and written so that nothing can be injected."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.encoded_words import decode_words, encode_words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("=?utf-8?q?R=C3=BCck?=", "Rück"),
        ("=?UTF-8?B?w7xi?= x", "üb x"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?b?5L8=?= =?utf-8?b?oQ==?=", "信"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?utf-8*en?q?a_b?=", "a b"),
        ("=?nonsense?q?=C3=BC?=", "ü"),  # as a part of an unknown charset
        ("=?utf-8?q?a b?= =?utf-8?q?c?=", "a bc"),
        ("=?utf-8?x?a?= =?utf-8?q?b?=", "=?utf-8?x?a?= b"),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
        ("2 =? 3", "2 =? 3"),
    ],
)
def test_words_are_decoded_and_the_broken_is_left(text: str, found: str) -> None:
    assert decode_words(text) == found


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_what_is_written_holds_no_line_end_of_its_own(text: str) -> None:
    lines = encode_words(text).split("\r\n")
    assert all(line[:1] in " \t" for line in lines[1:] if line)
    assert not any(ord(c) < 32 or ord(c) == 127 for line in lines for c in line.lstrip("\t"))


@given(st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), max_size=300))
@settings(max_examples=100, deadline=None)
def test_what_is_written_reads_the_same(text: str) -> None:
    encoded = encode_words(text)
    if not encoded.isascii() or "=?" in encoded:
        clean = "".join(" " if ord(c) == 127 else c for c in text).strip()
        assert decode_words(encoded.replace("\r\n", "")) == clean
