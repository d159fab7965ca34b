from __future__ import annotations

from dataclasses import replace

from gateway.delivery.obstacle import NO_8BIT, NO_SMTPUTF8, TOO_LARGE, fitted
from gateway.mail.address import Address, parse_address
from gateway.mail.envelope import Envelope, Recipient

ANN = Recipient(parse_address("ann@example.net"))
ENVELOPE = Envelope(return_path=parse_address("a@acme.example"), recipients=(ANN,))
EIGHT = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode()


def test_ascii_goes_as_it_is() -> None:
    content = b"Subject: x\r\n\r\ntext\r\n"
    assert fitted(ENVELOPE, content, offered={}) is content


def test_eight_bits_go_as_they_are_where_they_are_taken() -> None:
    assert fitted(ENVELOPE, EIGHT, offered={"8BITMIME": ""}) is EIGHT


def test_eight_bits_are_re_encoded_or_refused_for_a_seven_bit_server() -> None:
    made = fitted(ENVELOPE, EIGHT, offered={})
    assert isinstance(made, bytes)
    assert made.isascii()
    signed = EIGHT.replace(b"text/plain", b"multipart/signed; boundary=b")
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
