"""Octets to characters never fail and never leave half a character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.charsets import decode_octets, is_charset


@pytest.mark.parametrize(
    "name", ["idna", "unicode_escape", "punycode", "PunyCode", "nonsense", "ü"]
)
def test_what_is_no_charset_of_mail_is_not_taken(name: str) -> None:
    assert not is_charset(name)


@given(st.binary(max_size=60), st.sampled_from(["utf-7", "utf-16", "gb18030", "hex", "x", ""]))
@settings(max_examples=150, deadline=None)
def test_the_characters_can_become_octets_again(octets: bytes, charset: str) -> None:
    decode_octets(octets, charset).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    ("said", "written", "text"),
    [("gb2312", "gbk", "朱镕基"), ("x-gbk", "gbk", "发票"), ("shift_jis", "cp932", "①髙")],
)
def test_the_name_of_a_small_charset_means_the_larger_one(
    said: str, written: str, text: str
) -> None:
    assert is_charset(said)
    assert decode_octets(text.encode(written), said) == text
