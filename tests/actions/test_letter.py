"""Header values and bodies of the mails we write."""

from __future__ import annotations

from email import message_from_bytes, policy
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.actions.letter import encoded, header_block, mailbox, references_to, text_part
from gateway.mail.message import parse_message
from tests.actions.occasions import mail


@given(st.text(max_size=400))
def test_no_value_becomes_a_second_field(value: str) -> None:
    block = header_block([("Subject", encoded(value, name="Subject")), ("X-End", "1")])
    assert [field.name for field in parse_message(block + b"\r\n").fields] == [
        "Subject",
        "X-End",
    ]
    assert all(len(line) <= 998 for line in block.split(b"\r\n"))


def test_text_of_any_script_survives_encoding() -> None:
    value = "Auto: 您好，我的订单在哪里？ " * 10
    message = parse_message(header_block([("Subject", encoded(value, name="Subject"))]))
    assert message.text("Subject").split() == value.split()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "a@b.example"),
        ("Ann", '"Ann" <a@b.example>'),
        ('A "B" \\', '"A \\"B\\" \\\\" <a@b.example>'),
        ("Ann\r\nBcc: x", '"Ann  Bcc: x" <a@b.example>'),
    ],
)
def test_a_display_name_is_quoted(name: str, shown: str) -> None:
    assert mailbox(name, "a@b.example") == shown


@pytest.mark.parametrize("name", ["word " * 600, "\\" * 3000, "雷" * 3000])
def test_a_display_name_without_end_is_cut(name: str) -> None:
    line = header_block([("From", mailbox(name, "a@b.example"))])
    assert all(len(one) <= 998 for one in line.split(b"\r\n"))
    [(shown, address)] = parse_message(line).addresses("From")
    assert (shown, address) == (name[:200].strip(), "a@b.example")


def test_a_display_name_of_any_script_is_read_back() -> None:
    line = header_block([("From", mailbox("李, 雷", "a@b.example"))])
    assert parse_message(line).addresses("From") == [("李, 雷", "a@b.example")]


@pytest.mark.parametrize(
    "text", ["plain\n", "größer\n", "x" * 2000, "a\r\nb\rc\n", ".\n.\n", "=\n"]
)
def test_a_text_arrives_as_it_was(text: str) -> None:
    encoding, body = text_part(text)
    head = (
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    )
    read = message_from_bytes(head.encode() + b"\r\n" + body, policy=policy.default)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    assert str(read.get_content()).replace("\r\n", "\n").rstrip("\n") == lines
    assert body.isascii()
    assert all(len(line) <= 998 for line in body.split(b"\r\n"))


def test_references_end_with_the_id_that_is_answered() -> None:
    message = parse_message(mail(References="<a@x> <b@x>"))
    assert references_to(message).split() == ["<a@x>", "<b@x>", "<1@example.org>"]


def test_references_are_those_of_in_reply_to_where_there_are_none() -> None:
    message = parse_message(mail(In_Reply_To="<a@x>"))
    assert references_to(message).split() == ["<a@x>", "<1@example.org>"]


@pytest.mark.parametrize("width", range(20, 60))
def test_long_references_keep_the_first_and_the_last(width: int) -> None:
    ids = [f"<{number:0{width}}@example.org>" for number in range(100)]
    written = references_to(parse_message(mail(References=" ".join(ids))))
    kept = written.split()
    assert (kept[0], kept[-1], kept[-2]) == (ids[0], "<1@example.org>", ids[-1])
    assert 900 < len(written) <= 1000


def test_broken_references_are_left_out() -> None:
    message = parse_message(mail(References="junk <a b> <>", Message_ID="none"))
    assert references_to(message) == ""


def test_references_without_end_are_cut_at_once() -> None:
    """It is done in the transaction of an answer: for an hour nothing else would be kept."""
    ids = [f"<{number}@example.org>" for number in range(100_000)]
    message = parse_message(mail(References="\r\n ".join(ids)))
    started = process_time()
    kept = references_to(message).split()
    assert process_time() - started < 5
    assert (kept[0], kept[-1]) == (ids[0], "<1@example.org>")
