"""HTML to text."""

from __future__ import annotations

import pytest

from gateway.sieve.html import text_of_html


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>a &amp; <b>b</b></p>", "\r\na & b"),
        ("<style>x</style>a<script>y</script>b", "ab"),
        ("a<!-- <b> -->c", "ac"),
        ("1 < 2", "1 < 2"),
        ("<a href='x'", ""),
        ("<script>open", ""),
    ],
)
def test_markup_is_left_out(source: str, text: str) -> None:
    assert text_of_html(source) == text
