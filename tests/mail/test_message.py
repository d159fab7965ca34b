from __future__ import annotations

from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.message import Edit, apply_edits, decode_words, parse_message

LETTER = (
    b"Received: by a\r\n\tfor b\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@x.example>, k@x.example\r\n"
    b"Subject: one\r\nX-A: 1\r\nx-a: 2\r\n\r\nbody\r\n"
)


def test_fields_keep_their_folding_and_are_found_in_any_case() -> None:
    message = parse_message(LETTER)
    assert [field.raw for field in message.all("received")] == [
        b"Received: by a\r\n\tfor b\r\n"
    ]
    assert message.addresses("From") == [("Jürgen", "j@x.example"), ("", "k@x.example")]
    assert LETTER[message.body_at :] == b"body\r\n"


def test_edits_add_above_and_below_and_remove_every_field_of_a_name() -> None:
    edits = (Edit("X-A", None), Edit("X-Top", "t"), Edit("X-Last", "l", last=True))
    assert apply_edits(LETTER, edits) == (
        b"X-Top: t\r\nReceived: by a\r\n\tfor b\r\n"
        b"From: =?utf-8?q?J=C3=BCrgen?= <j@x.example>, k@x.example\r\n"
        b"Subject: one\r\nX-Last: l\r\n\r\nbody\r\n"
    )


@pytest.mark.parametrize(
    ("value", "found"),
    [("<a@b> (at work)", "<a@b>"), ("\r\n <a@b>", "<a@b>"), ("a@b", "a@b"), ("", "")],
)
def test_a_comment_is_no_part_of_a_message_id(value: str, found: str) -> None:
    assert parse_message(f"Message-ID: {value}\r\n\r\n".encode()).message_id == found


def test_a_header_that_is_made_to_be_slow_is_read_in_time() -> None:
    started = thread_time()
    many = "".join(f"u{number}@x.example, " for number in range(50_000)).encode()
    listed = parse_message(b"To: " + many + b"\r\n\r\n").addresses("To")
    assert listed[:2] == [("", "u0@x.example"), ("", "u1@x.example")]
    assert 1000 < len(listed) < 50_000
    assert decode_words("=?utf-8?q?a?= " * 50_000) == "a" * 50_000 + " "
    assert thread_time() - started < 5


def test_thousands_of_nested_comments_hold_no_address() -> None:
    assert parse_message(b"From: " + b"(" * 5000 + b"\r\n\r\n").addresses("From") == []


def test_a_broken_encoded_word_stays_as_it_is() -> None:
    assert decode_words("=?utf-8?B?A?=") == "=?utf-8?B?A?="
    assert decode_words("=?no-such-charset?q?a?=") == "a"


def test_encoded_words_of_a_small_charset_hold_the_larger_one() -> None:
    word = "=?gb2312?B?6Ua7+Q==?="  # 镕 is in GBK only
    assert decode_words(f"Re: {word} C:\\users ü") == "Re: 镕基 C:\\users ü"
    assert decode_words("=?gb2312?B?6Q==?= =?gb2312?B?Rg==?=") == "镕"


@pytest.mark.parametrize(("text", "charset"), [("张三", "gbk"), ("Jürgen", "latin-1")])
def test_a_name_without_encoding_is_read(text: str, charset: str) -> None:
    content = f"Subject: {text}\r\nFrom: {text} <a@b.example>\r\n\r\n".encode(charset)
    message = parse_message(content)
    assert (message.text("Subject"), message.addresses("From")) == (
        text,
        [(text, "a@b.example")],
    )


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_and_no_edit_changes_its_body(content: bytes) -> None:
    message = parse_message(content)
    assert b"".join(field.raw for field in message.fields) == content[
        : message.body_at
    ].removesuffix(b"\r\n") or message.body_at == sum(
        len(field.raw) for field in message.fields
    )
    edited = apply_edits(content, (Edit("X-Top", "t"),))
    assert edited == b"X-Top: t\r\n" + content


def test_of_a_subject_without_end_the_beginning_is_decoded() -> None:
    message = parse_message(b"Subject: Hello " + b"=?a?q? " * 200_000 + b"\r\n\r\n")
    started = thread_time()
    assert message.text("Subject").startswith("Hello")
    assert thread_time() - started < 2
