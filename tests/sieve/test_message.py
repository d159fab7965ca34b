"""Header fields as a script sees them, and its edits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.interface import HeaderEdit
from gateway.sieve.message import Message, edited, parse_fields

LETTER = b"A: one\r\nB:\r\n two\r\na : three\r\n\r\nbody\r\n"


def test_fields_are_unfolded_and_found_in_any_case() -> None:
    message = Message(LETTER)
    assert [one.value for one in message.named(["a", "B"])] == ["one", "three", "two"]
    assert message.body == b"body\r\n"


def test_a_line_that_is_no_field_ends_the_header() -> None:
    fields, body_at = parse_fields(b"A: 1\r\nnot a field\r\nB: 2\r\n\r\n")
    assert [one.name for one in fields] == ["A"]
    assert body_at == 6


def test_edits_are_made_in_order_and_the_body_stays() -> None:
    edits = [
        HeaderEdit(name="a", value=None, index=2),
        HeaderEdit(name="X", value="first"),
        HeaderEdit(name="Y", value="last", last=True),
    ]
    assert edited(LETTER, edits) == (
        b"X: first\r\nA: one\r\nB:\r\n two\r\nY: last\r\n\r\nbody\r\n"
    )


def test_a_message_without_edits_is_the_same_bytes() -> None:
    assert Message(b"A:1\n\nx\n").content == b"A:1\n\nx\n"


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_message(content: bytes) -> None:
    message = Message(content)
    assert all(isinstance(one.value, str) for one in message.fields)
    assert content.endswith(message.body)
