from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes

import pytest

from gateway.delivery.obstacle import NO_8BIT, NO_SMTPUTF8, TOO_LARGE, fitted
from gateway.mail.address import Address, parse_address
from gateway.mail.envelope import Envelope, Recipient

ANN = Recipient(parse_address("ann@example.net"))
ENVELOPE = Envelope(return_path=parse_address("a@acme.example"), recipients=(ANN,))
EIGHT = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode()
MIXED = (
    b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=gbk\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + "你好".encode("gbk")
    + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\n"
)


def test_ascii_goes_as_it_is() -> None:
    content = b"Subject: x\r\n\r\ntext\r\n"
    assert fitted(ENVELOPE, content, offered={}) is content


def test_eight_bits_go_as_they_are_where_they_are_taken() -> None:
    assert fitted(ENVELOPE, EIGHT, offered={"8BITMIME": ""}) is EIGHT


@pytest.mark.parametrize(("content", "charset", "text"), [
    (EIGHT, "utf-8", "Grüße"), (MIXED, "gbk", "你好"),
])  # fmt: skip
def test_eight_bits_are_re_encoded_for_a_seven_bit_server(
    content: bytes, charset: str, text: str
) -> None:
    """RFC 6152 §3."""
    made = fitted(ENVELOPE, content, offered={})
    assert isinstance(made, bytes)
    assert made.isascii()
    assert b"\n" not in made.replace(b"\r\n", b"")
    parts = [one for one in message_from_bytes(made).walk() if not one.is_multipart()]
    payload = parts[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode(charset).strip() == text


def test_a_signed_part_is_never_changed() -> None:
    signed = MIXED.replace(b"multipart/mixed", b"multipart/signed")
    assert fitted(ENVELOPE, signed, offered={}) == NO_8BIT


def test_a_header_in_utf8_needs_smtputf8() -> None:
    content = "Subject: Grüße\r\n\r\ntext\r\n".encode()
    envelope = replace(ENVELOPE, smtputf8=True)
    assert fitted(envelope, content, offered={"8BITMIME": ""}) == NO_SMTPUTF8
    assert fitted(envelope, content, offered={"8BITMIME": "", "SMTPUTF8": ""}) == content


def test_an_address_in_utf8_needs_smtputf8() -> None:
    envelope = replace(ENVELOPE, recipients=(Recipient(Address("jürgen", "example.net")),))
    assert fitted(envelope, b"Subject: x\r\n\r\n", offered={}) == NO_SMTPUTF8


def test_what_is_larger_than_offered_is_not_sent() -> None:
    content = b"Subject: x\r\n\r\n" + b"x" * 100
    assert fitted(ENVELOPE, content, offered={"SIZE": "50"}) == TOO_LARGE
    assert fitted(ENVELOPE, content, offered={"SIZE": "0"}) == content  # RFC 1870 §4: unknown
