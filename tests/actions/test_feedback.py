"""ARF reports (RFC 5965): what they say, whole, redacted and broken."""

from __future__ import annotations

import pytest

from gateway.actions.feedback import read_complaint
from gateway.mail.address import Address
from tests.actions.reports import arf


def test_a_report_tells_who_complained_about_which_mail() -> None:
    complaint = read_complaint(arf("<1@acme.example>", recipient="Ann@example.org"))
    assert complaint is not None
    assert complaint.kind == "abuse"
    assert complaint.reporter == "Loop/1.0"
    assert complaint.recipients == (Address("Ann", "example.org"),)
    assert complaint.ids == ("<1@acme.example>",)


@pytest.mark.parametrize("recipient", ["", "redacted", "<>", "rfc822; ", "[hidden]@\x00"])
def test_of_a_redacted_report_the_mail_is_known(recipient: str) -> None:
    """RFC 6590: the recipient is taken out."""
    complaint = read_complaint(arf("<1@acme.example>", recipient=recipient))
    assert complaint is not None
    assert complaint.recipients == ()
    assert complaint.ids == ("<1@acme.example>",)


def test_a_report_with_the_header_alone_is_read_too() -> None:
    report = arf("<1@acme.example>").replace(b"message/rfc822", b"text/rfc822-headers")
    complaint = read_complaint(report)
    assert complaint is not None
    assert complaint.ids == ("<1@acme.example>",)


def test_the_mail_attached_tells_its_recipient_where_the_report_does_not() -> None:
    report = arf("<1@acme.example>").replace(b"Subject: Offer", b"Delivered-To: ann@b.example")
    complaint = read_complaint(report)
    assert complaint is not None
    assert complaint.recipients == (Address("ann", "b.example"),)


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", ""])
def test_praise_and_reports_of_failed_signatures_are_no_complaint(kind: str) -> None:
    assert read_complaint(arf("<1@acme.example>", kind=kind)) is None


def test_other_reports_and_mails_are_no_complaint() -> None:
    report = arf("<1@acme.example>")
    assert read_complaint(report.replace(b"feedback-report;", b"delivery-status;")) is None
    assert read_complaint(b"Subject: hi\r\n\r\nreport-type=feedback-report\r\n") is None
    assert read_complaint(b"") is None


def test_a_report_cut_or_spoilt_anywhere_is_read_or_is_none() -> None:
    """A broken report is a mail like others: nothing is raised."""
    report = arf("<1@acme.example>", recipient="ann@example.org")
    for at in range(0, len(report), 7):
        read_complaint(report[:at])
        read_complaint(report[:at] + b"\x00\xff\r\n\r\n" + report[at:])
        read_complaint(report[:at] + report[at + 40 :])
    read_complaint(report.replace(b"message/rfc822", b"message/rfc822;" + b"x" * 100_000))
    read_complaint(report.replace(b"--b\r\n", b"--b\r\n" * 5_000))
