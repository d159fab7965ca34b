"""The automatic answers as mails (RFC 3834, RFC 5230, RFC 5429)."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from gateway.actions.answer import (
    Way,
    is_loop_mark,
    loop_mark,
    write_rejection,
    write_vacation,
)
from gateway.actions.gate import Occasion
from gateway.mail.address import Address
from gateway.mail.delivery import Kind, Outgoing
from tests.actions.occasions import NOON, SHOP, WAY, mail, mark, occasion

ANN = Address("ann", "example.org")


def vacation(
    one: Occasion | None = None, arguments: dict[str, Any] | None = None, *, way: Way = WAY
) -> Outgoing:
    given = {"reason": "We answer soon.", **(arguments or {})}
    return write_vacation(one or occasion(), given, to=ANN, way=way, mark=mark)


def read(outgoing: Outgoing) -> EmailMessage:
    return message_from_bytes(outgoing.content, policy=policy.default)


def test_an_answer_has_an_empty_envelope_sender_and_goes_to_one_address() -> None:
    outgoing = vacation()
    assert outgoing.envelope.return_path is None
    assert [str(one.address) for one in outgoing.envelope.recipients] == ["ann@example.org"]
    assert (outgoing.kind, outgoing.lane, outgoing.origin) == (
        Kind.ANSWER,
        WAY.lane,
        "01ARZ3NDEKTSV4RRFF",
    )


def test_where_the_provider_refuses_an_empty_one_it_is_the_mailbox() -> None:
    way = Way(lane=WAY.lane, null_return_path=False)
    assert str(vacation(way=way).envelope.return_path) == SHOP


def test_the_fields_of_a_vacation() -> None:
    outgoing = vacation()
    message = read(outgoing)
    assert message["From"] == "Acme Support <shop@acme.example>"
    assert message["To"] == "ann@example.org"
    assert message["Subject"] == "Auto: Where is my order?"
    assert message["Auto-Submitted"] == "auto-replied (vacation)"
    assert message["In-Reply-To"] == "<1@example.org>"
    assert message["References"] == "<1@example.org>"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Message-ID"] == outgoing.message_id
    assert message["Date"].datetime == NOON
    assert is_loop_mark(mark, message["X-Gateway-Loop"])
    assert message.get_content().strip() == "We answer soon."
    assert outgoing.header_from == SHOP


def test_the_subject_of_the_command_wins() -> None:
    assert read(vacation(None, {"subject": "Danke für Ihre Nachricht"}))["Subject"] == (
        "Danke für Ihre Nachricht"
    )


def test_from_is_the_own_address_that_was_written_to() -> None:
    one = occasion(mail(To="x@y.example, Info <info@acme.example>"))
    assert "info@acme.example" in read(vacation(one))["From"]


def test_a_reply_token_that_was_written_to_does_not_stand_in_from() -> None:
    to = SHOP.replace("@", "+c-01m8756nhbp3dfj1qv-0123456789abcdef@")
    assert read(vacation(occasion(mail(To=to))))["From"] == f"Acme Support <{SHOP}>"


def test_from_of_the_command_must_be_an_own_address() -> None:
    assert read(vacation(None, {"from": "Info Desk <info@acme.example>"}))["From"] == (
        "Info Desk <info@acme.example>"
    )
    assert read(vacation(None, {"from": "Boss <boss@other.example>"}))["From"] == (
        "Acme Support <shop@acme.example>"
    )


@pytest.mark.parametrize("text", ["Hi\r\nBcc: x@y.example", "=?utf-8?q?a=0D=0ABcc=3A_x=40y?="])
def test_a_strangers_subject_adds_no_field(text: str) -> None:
    one = occasion(mail(Subject=text.replace("\r\n", "\r\n ")))
    assert read(vacation(one))["Bcc"] is None


def test_a_strangers_subject_without_end_is_cut() -> None:
    long = occasion(mail(Subject="x" * 1_000_000))
    for one in (vacation(long), write_rejection(long, "no", to=ANN, way=WAY, mark=mark)):
        assert read(one)["Subject"] == f"Auto: {'x' * 500}"


def test_a_mime_reason_keeps_its_content_fields_only() -> None:
    reason = "Content-Type: text/html; charset=utf-8\nBcc: x@y.example\n\n<p>größer</p>\n"
    outgoing = vacation(None, {"reason": reason, "mime": True})
    message = read(outgoing)
    assert message.get_content_type() == "text/html"
    assert message["Bcc"] is None
    assert outgoing.envelope.body_8bit


def test_a_text_that_is_not_ascii_needs_no_8bit() -> None:
    outgoing = vacation(None, {"reason": "我们会尽快回复"})
    assert not outgoing.envelope.body_8bit
    assert read(outgoing).get_content().strip() == "我们会尽快回复"


def test_an_address_beyond_ascii_stands_in_to_as_it_is() -> None:
    """RFC 6532 §3.2: there is no encoded form of a local part."""
    to = Address("änn", "example.org")
    outgoing = write_vacation(occasion(), {"reason": "soon"}, to=to, way=WAY, mark=mark)
    assert "\r\nTo: änn@example.org\r\n".encode() in outgoing.content
    assert outgoing.envelope.smtputf8


def test_a_rejection_is_a_disposition_notification() -> None:
    outgoing = write_rejection(occasion(), "No thanks, größer", to=ANN, way=WAY, mark=mark)
    message = read(outgoing)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "disposition-notification"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Subject"].startswith("Auto: ")
    text, report = message.iter_parts()
    assert "No thanks, größer" in text.get_content()
    assert report.get_content_type() == "message/disposition-notification"
    told = report.as_string()
    assert "Disposition: automatic-action/MDN-sent-automatically; deleted" in told
    assert "Original-Message-ID: <1@example.org>" in told


def test_a_loop_mark_cannot_be_made_up() -> None:
    assert is_loop_mark(mark, loop_mark(mark, "A"))
    for value in ("A", "A.", ".", loop_mark(mark, "A").replace("A.", "B."), "\udcff.x"):
        assert not is_loop_mark(mark, value)
