"""CR and LF alone are found wherever a piece ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.line_ends import LineEnds


def are_crlf(*pieces: bytes) -> bool:
    ends = LineEnds()
    for piece in pieces:
        ends.feed(piece)
    return ends.are_crlf()


@pytest.mark.parametrize(
    "text", [b"", b"no end", b"\r\n", b"a\r\nb\r\n", b"\xff\x85\xc2\x85\r\n\x0b\x0c"]
)
def test_nothing_stands_alone(text: bytes) -> None:
    """What other standards take for the end of a line is none in a mail."""
    assert are_crlf(text)


@pytest.mark.parametrize(
    "text", [b"\r", b"\n", b"\n\r", b"a\r\r\n", b"a\r\n\n", b"a\r\nb\r", b"a\nb\r\n"]
)
def test_one_alone_is_enough(text: bytes) -> None:
    """At the begin, the end, or beside a pair."""
    assert not are_crlf(text)


@given(st.lists(st.text("\r\na", max_size=4).map(str.encode), max_size=6))
def test_pieces_are_judged_as_the_whole(pieces: list[bytes]) -> None:
    """Counting, the slow way, says the same of all of it."""
    whole = b"".join(pieces)
    pairs = whole.count(b"\r\n")
    assert are_crlf(*pieces) is (whole.count(b"\r") == pairs == whole.count(b"\n"))
