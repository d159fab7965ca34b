"""A complaint in a fetched message: an ARF report (RFC 5965). Pure, and no bytes make it fail.

Feedback loops send one when somebody marks a mail as unwanted. Who that was is often redacted
(RFC 6590); which mail it was stands in the header of the mail that is attached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gateway.actions.letter import plain
from gateway.actions.parts import Attachment, read_parts
from gateway.mail.address import Address, parse_address
from gateway.mail.message import Message, parse_message

MAX_READ_BYTES = 1024 * 1024  # a report begins with what counts; the mail attached may be large
MAX_NAMED = 20
MAX_WORD = 80  # characters of a type or name that people are told
REPORT_TYPE = "message/feedback-report"
ATTACHED = ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers")
ID_FIELDS = ("Message-ID", "X-Original-Message-ID")
RECIPIENT_FIELDS = ("Delivered-To", "X-Original-To")
NO_COMPLAINTS = frozenset({"not-spam", "auth-failure"})  # RFC 5965 §7.3, RFC 6591 §3.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What a report says of one mail."""

    kind: str  # Feedback-Type: abuse, fraud, virus, other, opt-out, ...
    reporter: str  # User-Agent: the program that wrote it
    recipients: tuple[Address, ...]  # who complained, as far as the report names them
    ids: tuple[str, ...]  # of the mail, with angle brackets


def report_type(message: Message) -> str:
    """Return what kind of report the header says this is (RFC 6522 §3); empty: none."""
    said = message.text("Content-Type").casefold().replace(" ", "").replace('"', "")
    kind, *parameters = said.split(";")
    named = (one.partition("=")[2] for one in parameters if one.startswith("report-type="))
    return next(named, "") if kind == "multipart/report" else ""


def read_complaint(content: bytes) -> Complaint | None:
    """Return the complaint in a message; None: it is no report, a broken one, or of praise."""
    if report_type(parse_message(content)) != "feedback-report":
        return None
    attachments = read_parts(content[:MAX_READ_BYTES]).attachments
    reports = [parse_message(one.content) for one in attachments if one.type == REPORT_TYPE]
    kinds = [_word(report, "Feedback-Type").casefold() for report in reports]
    if not kinds or not kinds[0] or kinds[0] in NO_COMPLAINTS:
        return None
    mails = _attached(attachments)
    named = [*_values(reports, ("Original-Rcpt-To",)), *_values(mails, RECIPIENT_FIELDS)]
    return Complaint(
        kind=kinds[0],
        reporter=_word(reports[0], "User-Agent"),
        recipients=tuple(dict.fromkeys(_addresses(named[:MAX_NAMED]))),
        ids=ids_of_attached(attachments),
    )


def ids_of_attached(attachments: Sequence[Attachment]) -> tuple[str, ...]:
    """Return the Message-IDs of the mail that a report is about, as written in its header."""
    return tuple(dict.fromkeys(_values(_attached(attachments), ID_FIELDS)))[:MAX_NAMED]


def _attached(attachments: Sequence[Attachment]) -> list[Message]:
    mails = (one for one in attachments if one.type in ATTACHED or _is_mail_file(one))
    return [parse_message(one.content) for one in mails]


def _is_mail_file(one: Attachment) -> bool:
    """QQ attaches the mail as a file of no known type."""
    return one.name.casefold().endswith(".eml")


def _word(report: Message, name: str) -> str:
    return plain(report.text(name))[:MAX_WORD]


def _values(messages: Iterable[Message], names: Iterable[str]) -> list[str]:
    fields = (field for one in messages for name in names for field in one.all(name))
    return [plain(field.value) for field in fields]


def _addresses(values: Iterable[str]) -> Iterator[Address]:
    """Yield what is an address: as in an envelope, perhaps behind `rfc822;`."""
    for value in values:
        with suppress(ValueError):  # redacted
            yield parse_address(value.rpartition(";")[2].strip(" \t<>"))
