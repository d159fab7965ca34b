"""Writes the automatic answers: vacation (RFC 5230), rejection of fetched mail (RFC 5429).

Whether one may be written is for `gate` to say. An answer has an empty envelope sender
(RFC 3834 §3.3), or the mailbox's own address where the provider refuses an empty one, and
carries our loop mark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any

from gateway.actions.gate import LOOP_FIELD, Occasion, is_own, recipients_of
from gateway.actions.letter import (
    TEXT_TYPE,
    encoded,
    header_block,
    in_reply_to,
    mailbox,
    plain,
    references_to,
    text_part,
)
from gateway.mail.address import Address, parse_address
from gateway.mail.delivery import Kind, Lane, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.message import parse_message
from gateway.mail.token import without_tokens

MAX_SUBJECT = 500  # characters of the one that is answered

Mark = Callable[[str], str]
"""Returns a keyed mark of a text: what only we can have written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """By which lane an answer leaves, and whether its provider takes an empty return path."""

    lane: Lane
    null_return_path: bool = True


def loop_mark(mark: Mark, text: str) -> str:
    """Return the value of our loop field: `text` and its mark."""
    return f"{text}.{mark('loop ' + text)}"


def is_loop_mark(mark: Mark, value: str) -> bool:
    """Whether `value` is a loop mark that we made."""
    text, dot, given = value.strip().rpartition(".")
    return bool(dot) and text.isascii() and mark("loop " + text) == given


def write_vacation(
    occasion: Occasion, arguments: dict[str, Any], *, to: Address, way: Way, mark: Mark
) -> Outgoing:
    """Return the answer of a `vacation` command with these arguments (RFC 5230 §5)."""
    subject = arguments.get("subject") or _auto_subject(occasion)
    sender = _own_sender(occasion, arguments.get("from"))
    fields = _fields(occasion, to, sender=sender, mark=mark)
    fields.append(("Subject", encoded(subject, name="Subject")))
    fields.append(("Auto-Submitted", "auto-replied (vacation)"))  # RFC 5230 §5.8
    reason = str(arguments.get("reason", ""))
    body_fields, body = _mime_body(reason) if arguments.get("mime") else _text_body(reason)
    content = header_block([*fields, ("MIME-Version", "1.0"), *body_fields]) + b"\r\n" + body
    return _outgoing(occasion, content, fields=fields, to=to, way=way)


def write_rejection(
    occasion: Occasion, reason: str, *, to: Address, way: Way, mark: Mark
) -> Outgoing:
    """Return the disposition notification of a `reject` (RFC 5429 §2.1, RFC 8098)."""
    sender = _own_sender(occasion, None)
    fields = _fields(occasion, to, sender=sender, mark=mark)
    fields.append(("Subject", encoded(_auto_subject(occasion), name="Subject")))
    fields.append(("Auto-Submitted", "auto-replied"))
    boundary = f"=_{new_id()}"
    kind = "multipart/report; report-type=disposition-notification"
    fields_of_body = [
        ("MIME-Version", "1.0"),
        ("Content-Type", f'{kind};\r\n boundary="{boundary}"'),
    ]
    body = _report_body(occasion, reason, boundary)
    content = header_block([*fields, *fields_of_body]) + b"\r\n" + body
    return _outgoing(occasion, content, fields=fields, to=to, way=way)


def _auto_subject(occasion: Occasion) -> str:
    """Return the subject of an answer; one without end is cut, or the answer would be so."""
    return f"Auto: {occasion.message.text('Subject')[:MAX_SUBJECT]}"


def _own_sender(occasion: Occasion, wanted: str | None) -> tuple[str, str]:
    """Return name and address of From: `:from`, else ours in To or Cc, else the mailbox.

    An address that is not the tenant's never stands there (RFC 5230 §4.3 lets us ignore it).
    """
    tenant, own = occasion.tenant, occasion.mailbox.address
    candidates = parse_message(f"From: {plain(wanted or '')}\r\n\r\n".encode()).addresses(
        "From"
    )
    for shown, address in candidates:
        if is_own(tenant, address):
            return shown or _sender_name(occasion, address), address
    named = (one for one in recipients_of(occasion.message) if is_own(tenant, one))
    address = without_tokens(next(named, own))
    return _sender_name(occasion, address), address


def _sender_name(occasion: Occasion, address: str) -> str:
    sender = occasion.tenant.find_sender(address)
    return sender.name if sender else occasion.tenant.name


def _fields(
    occasion: Occasion, to: Address, *, sender: tuple[str, str], mark: Mark
) -> list[tuple[str, str]]:
    name, address = sender
    message_id = f"<{new_id()}@{address.rpartition('@')[2]}>"
    fields = [
        ("From", mailbox(name, address)),
        ("To", str(to)),
        ("Date", format_datetime(occasion.now)),
        ("Message-ID", message_id),
        ("In-Reply-To", in_reply_to(occasion.message)),
        ("References", references_to(occasion.message)),
        ("X-Auto-Response-Suppress", "All"),
        (LOOP_FIELD, loop_mark(mark, occasion.fetched.id)),
    ]
    return [(field, value) for field, value in fields if value]


def _text_body(text: str) -> tuple[list[tuple[str, str]], bytes]:
    encoding, body = text_part(text)
    return [("Content-Type", TEXT_TYPE), ("Content-Transfer-Encoding", encoding)], body


def _mime_body(reason: str) -> tuple[list[tuple[str, str]], bytes]:
    """`:mime`: the reason is a MIME entity with its own Content- fields (RFC 5230 §4.6)."""
    lines = reason.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    part = parse_message(lines)
    fields = [
        (field.name, encoded(field.value))
        for field in part.fields
        if field.name.lower().startswith("content-")
    ]
    return fields, lines[part.body_at :]


def _report_body(occasion: Occasion, reason: str, boundary: str) -> bytes:
    encoding, text = text_part(
        f"Your message to {occasion.mailbox.address} was not accepted.\n\n{reason}\n"
    )
    report = [
        ("Reporting-UA", "mail gateway"),
        ("Final-Recipient", f"rfc822; {occasion.mailbox.address}"),
        ("Original-Message-ID", in_reply_to(occasion.message)),
        ("Disposition", "automatic-action/MDN-sent-automatically; deleted"),
    ]
    start = f"--{boundary}\r\n".encode()
    return b"".join(
        [
            start,
            header_block(
                [("Content-Type", TEXT_TYPE), ("Content-Transfer-Encoding", encoding)]
            ),
            b"\r\n" + text + b"\r\n" + start,
            header_block([("Content-Type", "message/disposition-notification")]),
            b"\r\n" + header_block([one for one in report if one[1]]),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )


def _outgoing(
    occasion: Occasion, content: bytes, *, fields: list[tuple[str, str]], to: Address, way: Way
) -> Outgoing:
    values = dict(fields)
    own = parse_address(occasion.mailbox.address)
    envelope = Envelope(
        return_path=None if way.null_return_path else own,
        recipients=(Recipient(to, notify="NEVER"),),
        body_8bit=not content.isascii(),
        smtputf8=to.needs_smtputf8 or own.needs_smtputf8,
    )
    return Outgoing(
        id=new_id(),
        tenant=occasion.tenant.id,
        lane=way.lane,
        kind=Kind.ANSWER,
        envelope=envelope,
        content=content,
        message_id=values["Message-ID"],
        header_from=parse_message(content).addresses("From")[0][1],
        origin=occasion.fetched.id,
    )
