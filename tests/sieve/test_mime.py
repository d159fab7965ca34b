"""The parts of a message."""

from __future__ import annotations

from time import thread_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.message import Message
from gateway.sieve.mime import Part, TooManyParts, parse_parts

NESTED = (
    b"Content-Type: multipart/mixed; boundary=A\r\n\r\npro\r\n--A\r\n"
    b'Content-Type: multipart/alternative; boundary="B"\r\n\r\n--B\r\n\r\nplain\r\n--B\r\n'
    b"Content-Type: text/html\r\n\r\n<p>html</p>\r\n--B--\r\n--A\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n--A--\r\nepi\r\n"
)


def parts(content: bytes, *, most: int = 100, depth: int = 9) -> list[Part]:
    return [*parse_parts(Message(content), max_parts=most, max_depth=depth).walk()]


def test_the_tree_is_walked_in_order() -> None:
    found = parts(NESTED)
    assert [one.type.value for one in found] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "message/rfc822",
        "text/plain",
    ]
    assert [one.body for one in found if not one.children] == [
        b"plain",
        b"<p>html</p>",
        b"inner",
    ]
    assert (found[0].prologue, found[0].epilogue) == (b"pro", b"epi\r\n")


def test_a_part_that_is_never_closed_goes_to_the_end() -> None:
    found = parts(b"Content-Type: multipart/mixed; boundary=A\r\n\r\n--A\r\n\r\nopen\r\n")
    assert found[1].body == b"open\r\n"


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("base64", b"SGVs\r\nbG8=\r\n", "Hello"),
        ("Base64 (as always)", b"SGVsbG8=\r\n", "Hello"),
        ("quoted-printable", b"a=C3=BC=\r\nb", "aüb"),
        ("8bit", "ü".encode(), "ü"),
        ("uuencode", b"x", ""),
    ],
)
def test_text_is_decoded(encoding: str, body: bytes, text: str) -> None:
    head = f"Content-Type: text/plain\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    part = parts(head.encode() + body)[0]
    assert part.text_of(part.decoded(1000), readable=False) == text


def test_a_line_of_nothing_but_delimiters_is_read_once() -> None:
    letter = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a" * 500_000
    begun = thread_time()
    assert len(parts(letter)) == 1
    assert thread_time() - begun < 3  # a look for the line's end from each takes a minute


def test_no_more_than_the_limit_is_decoded() -> None:
    assert parts(b"\r\n" + b"x" * 100)[0].decoded(10) == b"x" * 10


@pytest.mark.parametrize(("most", "depth"), [(3, 9), (100, 1)])
def test_a_limit_is_told(most: int, depth: int) -> None:
    with pytest.raises(TooManyParts):
        parts(NESTED, most=most, depth=depth)


@given(st.lists(st.sampled_from([b"--A", b"--A--", b"\r\n", b"--", b"x", NESTED]), max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_mixture_of_delimiters_is_read(pieces: list[bytes]) -> None:
    for part in parts(NESTED[:44] + b"".join(pieces), most=1000, depth=30):
        assert part.start <= part.body_at <= part.end
