"""Octets to characters never fail and never leave half a character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.charsets import decode_octets


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("idna", b"xn--mnchen-3ya"),
        ("unicode_escape", b"\\u0041"),
        ("punycode", b"mnchen-3ya"),
        ("PunyCode", b"mnchen-3ya"),
        ("nonsense", b"a"),
        ("ü", b"a"),
    ],
)
def test_what_is_no_charset_of_mail_is_not_taken(name: str, octets: bytes) -> None:
    assert decode_octets(octets, name) == octets.decode()


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
    assert decode_octets(text.encode(written), said) == text
