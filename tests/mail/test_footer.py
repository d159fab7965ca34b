"""A footer lands in the text a person reads, and nothing else changes."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail.footer import append_footer, is_sealed
from gateway.mail.message import Edit, apply_edits

FOOTER = "Acme GmbH, Kölner Straße 1\nwww.acme.example"
ASCII = "Acme Ltd, 1 High Street"


def octets(message: EmailMessage | MIMEMultipart) -> bytes:
    return message.as_bytes(policy=policy.SMTP.clone(max_line_length=None))


def plain(text: str, *, cte: str, charset: str = "utf-8") -> bytes:
    message = EmailMessage()
    message["From"] = "ann@acme.example"
    message.set_content(text, cte=cte, charset=charset)
    return octets(message)


def text_of(content: bytes, kind: str = "plain") -> str:
    message = message_from_bytes(content, policy=policy.default)
    part = message.get_body((kind,))
    assert isinstance(part, MIMEPart)
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize("cte", ["8bit", "quoted-printable", "base64"])
def test_the_footer_stands_under_the_text_in_its_own_encoding(cte: str) -> None:
    longer = append_footer(plain("Grüße\n", cte=cte), "text/plain", FOOTER)
    assert text_of(longer) == f"Grüße\n\n{FOOTER}\n"
    assert f"Content-Transfer-Encoding: {cte}".encode() in longer


def test_bytes_before_a_plain_ascii_footer_stay_as_they_are() -> None:
    content = b"From: a@acme.example\r\nSubject:  odd   \r\n\r\nHello\r\n"
    assert append_footer(content, "text/plain", ASCII) == content + b"\r\n" + ASCII.encode() + (
        b"\r\n"
    )


@pytest.mark.parametrize("charset", ["us-ascii", "iso-2022-jp"])
def test_a_text_that_cannot_hold_the_footer_becomes_utf8(charset: str) -> None:
    longer = append_footer(plain("Hello\n", cte="7bit", charset=charset), "text/plain", FOOTER)
    assert text_of(longer) == f"Hello\n\n{FOOTER}\n"
    assert longer.isascii()


def test_text_that_flows_flows_on() -> None:
    kind = b"Content-Type: text/plain; format=flowed; DelSp=yes\r\n"
    longer = append_footer(
        b"From: a@acme.example\r\n" + kind + b"\r\nHi \r\n", "text/plain", FOOTER
    )
    assert message_from_bytes(longer).get_param("delsp") == "yes"


def test_a_message_without_a_mime_header_gets_one_with_the_footer_that_needs_it() -> None:
    longer = append_footer(b"From: a@acme.example\r\n\r\nHello\r\n", "text/plain", FOOTER)
    assert b"MIME-Version: 1.0\r\n" in longer
    assert text_of(longer) == f"Hello\n\n{FOOTER}\n"


def test_each_alternative_gets_its_own_and_attachments_keep_their_bytes() -> None:
    message = EmailMessage()
    message["From"] = "ann@acme.example"
    message.set_content("Hello\n")
    message.add_alternative("<html><body><p>Hello</p></body></html>", subtype="html")
    message.add_attachment(b"\x00\xff" * 300, maintype="image", subtype="png", filename="a.png")
    message.add_attachment("not this one\n", filename="notes.txt")
    content = octets(message)
    edits = (
        Edit("text/plain", ASCII, body=True),
        Edit("text/html", "<p>Acme</p>", body=True),
    )
    longer = apply_edits(content, edits)
    assert text_of(longer) == f"Hello\n\n{ASCII}\n"
    html = text_of(longer, "html")
    assert html.index("<p>Acme</p>") < html.index("</body>")
    at = content.index(b"image/png")
    assert longer.endswith(content[at:])


def test_the_footer_is_not_repeated() -> None:
    once = append_footer(plain("Grüße\n", cte="base64"), "text/plain", FOOTER)
    assert append_footer(once, "text/plain", FOOTER) == once


def sealed() -> list[bytes]:
    signed = MIMEMultipart("signed", protocol="application/pgp-signature")
    signed.attach(MIMEText("Hello"))
    signed.attach(MIMEApplication(b"sig", "pgp-signature"))
    outer = MIMEMultipart("mixed")
    outer.attach(signed)
    encrypted = MIMEMultipart("encrypted")
    encrypted.attach(MIMEApplication(b"Version: 1", "pgp-encrypted"))
    smime = b"Content-Type: application/pkcs7-mime; name=smime.p7m\r\n\r\nMIAG\r\n"
    inline = b"From: a@x.example\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nHello\r\n"
    return [octets(signed), octets(outer), octets(encrypted), smime, inline]


@pytest.mark.parametrize("content", sealed())
def test_signed_and_encrypted_mail_is_left_alone(content: bytes) -> None:
    assert append_footer(content, "text/plain", ASCII) == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\nHello\r\n",
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xff\xfe\r\n",
        b"Content-Type: image/png\r\n\r\nxx\r\n",
        b"Content-Disposition: attachment\r\n\r\nHello\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\nno boundary\r\n",
    ],
)
def test_what_cannot_take_a_footer_is_unchanged(content: bytes) -> None:
    assert append_footer(content, "text/plain", "x" if not content else FOOTER) in (
        content,
        b"\r\nx\r\n",
    )


@given(st.binary(max_size=300), st.sampled_from(["text/plain", "text/html"]))
def test_no_bytes_break_it(body: bytes, kind: str) -> None:
    head = b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n'
    append_footer(body, kind, FOOTER)
    assert append_footer(head + body, kind, FOOTER).startswith(b"Content-Type: multipart")


def test_a_message_whose_parts_cannot_be_found_stays_as_it_is() -> None:
    content = b"Content-Type: text/plain; name*" + b"9" * 5000 + b"=x\r\n\r\nHello\r\n"
    assert is_sealed(content)
    assert append_footer(content, "text/plain", ASCII) == content
