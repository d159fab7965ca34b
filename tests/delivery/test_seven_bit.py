from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.seven_bit import re_encoded

EIGHT = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n".encode()
MIXED = (
    b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=gbk\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + "你好".encode("gbk")
    + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\n"
)


@pytest.mark.parametrize(("content", "charset", "text"), [
    (EIGHT, "utf-8", "Grüße"), (MIXED, "gbk", "你好"),
])  # fmt: skip
def test_eight_bits_are_re_encoded_for_a_seven_bit_server(
    content: bytes, charset: str, text: str
) -> None:
    """RFC 6152 §3."""
    made = re_encoded(content)
    assert made is not None
    assert made.isascii()
    assert b"\n" not in made.replace(b"\r\n", b"")
    parts = [one for one in message_from_bytes(made).walk() if not one.is_multipart()]
    payload = parts[0].get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode(charset).strip() == text


def test_a_signed_part_is_never_changed() -> None:
    signed = MIXED.replace(b"multipart/mixed", b"multipart/signed")
    assert re_encoded(signed) is None


def test_fields_are_re_encoded_so_that_people_and_programs_can_read_them() -> None:
    """RFC 2047 for words, RFC 2231 for parameters; an address stays one, GBK is understood."""
    subject = "Grüße und eine lange Zeile, " * 4
    raw = (
        "From: Jörg B <a@acme.example>\r\nX-Folded: one\r\n\ttwo\r\n"
        'To: "Ü, \\"B\\"" <b@x.y>,\r\n'
        f" c@x.y (ö)\r\nSubject: {subject}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        'Content-Disposition: inline; filename="ü 1.txt"\r\nComments: '
    ).encode()
    raw += "你好".encode("gbk") + "\r\n\r\nü\r\n".encode()
    made = re_encoded(raw)
    assert made is not None
    assert made.isascii()
    assert b"\r\nX-Folded: one\r\n\ttwo\r\n" in made
    read = message_from_bytes(made, policy=default)
    assert str(read["From"]) == "Jörg B <a@acme.example>"
    assert [one.addr_spec for one in read["To"].addresses] == ["b@x.y", "c@x.y"]
    assert read["To"].addresses[0].display_name == 'Ü, "B"'
    assert (read["Subject"], read["Comments"]) == (subject.strip(), "你好")
    assert (read.get_filename(), read["MIME-Version"]) == ("ü 1.txt", "1.0")
    assert read.get_content().strip() == "ü"


def test_a_list_of_many_people_is_folded() -> None:
    people = ", ".join(f"Ü {number} <a@x.example>" for number in range(99))
    made = re_encoded(f"To: {people}\r\n\r\ntext\r\n".encode())
    assert made is not None
    assert message_from_bytes(made, policy=default)["To"] == people


@pytest.mark.parametrize("field", ["To: <ö@x.y>", "Cc: a@x.y, ö@x.y", "Content-Type: ü/plain"])
def test_what_has_no_form_in_ascii_is_not_made_up(field: str) -> None:
    assert re_encoded(f"From: a@acme.example\r\n{field}\r\n\r\ntext\r\n".encode()) is None


def test_a_multipart_without_a_part_is_refused() -> None:
    assert re_encoded(EIGHT.replace(b"text/plain", b"multipart/signed; boundary=b")) is None


def test_a_number_without_end_in_a_parameter_is_refused() -> None:
    """RFC 2231 §3 counts pieces; Python makes no number of five thousand digits."""
    kind = b"multipart/mixed; boundary=b; x*" + b"9" * 5000 + b"=1"
    assert re_encoded(MIXED.replace(b"multipart/mixed; boundary=b", kind)) is None


def test_eight_bits_that_are_said_to_be_encoded_are_what_a_reader_takes_them_for() -> None:
    raw = b"Content-Type: text/plain; charset=x-own\r\nContent-Transfer-Encoding: "
    made = re_encoded(raw + b"quoted-printable\r\n\r\ncaf=E9 caf\xe9\r\n")
    assert made is not None
    assert message_from_bytes(made).get_payload(decode=True) == b"caf\xe9 caf\xe9\r\n"
    assert re_encoded(raw + b"x-own\r\n\r\ncaf\xe9\r\n") is None


def test_parts_in_parts_without_end_are_refused() -> None:
    kind = b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n'
    nested = b"".join(kind % (number, number) for number in range(1000))
    assert re_encoded(nested + b"\r\n\xfc\r\n") is None


@given(st.text(alphabet='ü你ab@<>,;:()"\\=?[]. \t%*\udcff', min_size=1, max_size=30))
def test_a_field_that_is_re_encoded_begins_no_other(text: str) -> None:
    for name in ("To", "Subject", "Content-Type"):
        raw = f"{name}: {text}".encode("utf-8", "surrogateescape")
        made = re_encoded(raw + b"\r\nX-Next: 1\r\n\r\ntext\r\n")
        assert made is None or len(message_from_bytes(made).keys()) <= 4
