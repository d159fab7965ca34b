"""A delivery status notification as bytes: pure (RFC 3464, RFC 3461 §6).

For people it says what happened in a sentence, for machines in fields. Both repeat what the
sender asked to be reminded of: ENVID and ORCPT, decoded.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum

from gateway.mail.address import Address
from gateway.mail.delivery import Batch, Decision, Delivery, Phase, Result
from gateway.mail.message import apply_edits, parse_message

Told = Sequence[tuple[Delivery, Result]]


class Action(StrEnum):
    """What became of the recipients of one notification (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"  # to a server that tells nobody what becomes of it


SUBJECTS = {
    Action.FAILED: "Undelivered mail returned to sender",
    Action.DELAYED: "Delayed mail, still being tried",
    Action.RELAYED: "Your mail was handed on",
}
SENTENCES = {
    Action.FAILED: "Your message could not be delivered to the following recipients. It is not"
    " tried again.",
    Action.DELAYED: "Your message could not be delivered to the following recipients yet. It is"
    " tried further by itself: you need not send it again.",
    Action.RELAYED: "Your message was taken for the following recipients by a server that sends"
    " no word when it arrives. You will hear of it again only if that server returns it.",
}
FULL_BYTES = 64 * 1024  # the whole original up to here, where nobody asked
FULL_ASKED_BYTES = 1024 * 1024  # and up to here with RET=FULL
EXPIRED = "5.4.7"  # RFC 3463 §3.5: delivery time expired
NOBODY_ANSWERED, CONNECTION_LOST = "4.4.1", "4.4.2"  # RFC 3463 §3.5
XTEXT = re.compile(rb"\+([0-9A-F]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One notification about some recipients of a batch, by the gateway at `hostname`."""

    action: Action
    batch: Batch
    told: Told
    message_id: str  # its own, with angle brackets
    hostname: str
    at: datetime


def write_report(report: Report) -> bytes:
    """Return the notification: multipart/report of words, fields, and what was sent."""
    boundary = f"=_{report.message_id[1:-1].replace('@', '.')}"
    parts = (_explanation(report), _status(report), _original(report))
    header = _header(report)
    kind = "Content-Type: multipart/report; report-type=delivery-status;"
    header += f'{kind}\r\n\tboundary="{boundary}"\r\n'.encode()
    if not all(part.isascii() for part in parts):
        header += b"Content-Transfer-Encoding: 8bit\r\n"
    between = f"\r\n--{boundary}\r\n".encode()
    return header + b"".join(between + part for part in parts) + between[:-2] + b"--\r\n"


def _header(report: Report) -> bytes:
    lines = [
        f"Date: {format_datetime(report.at)}",
        f"From: Mail Delivery System <mailer-daemon@{report.hostname}>",
        f"To: <{report.batch.envelope.return_path}>",
        f"Subject: {SUBJECTS[report.action]}",
        f"Message-ID: {report.message_id}",
        *_thread(report.batch),
        "Auto-Submitted: auto-replied",  # RFC 3834 §5.1
        "MIME-Version: 1.0",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _thread(batch: Batch) -> list[str]:
    """Return the fields by which the notification lands in the ticket (RFC 5322 §3.6.4)."""
    if not batch.message_id:
        return []
    before = parse_message(batch.content).first("References")
    ids = [*(before.value.split() if before else []), batch.message_id]
    references = "\r\n ".join(one for one in ids if one.startswith("<") and one.isascii())
    return [f"In-Reply-To: {batch.message_id}", f"References: {references}"]


def _explanation(report: Report) -> bytes:
    paragraphs = [
        f"This is the mail system of {report.hostname}.",
        SENTENCES[report.action],
        *(_words(report.action, *one) for one in report.told),
    ]
    text = "\n\n".join(paragraphs) + "\n"
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
    if text.isascii() and max(map(len, text.split("\n"))) < 998:
        return head + b"7bit\r\n\r\n" + text.replace("\n", "\r\n").encode()
    octets = encodebytes(text.replace("\n", "\r\n").encode())
    return head + b"base64\r\n\r\n" + octets.replace(b"\n", b"\r\n")


def _words(action: Action, delivery: Delivery, result: Result) -> str:
    attempt, verdict = result.attempt, result.verdict
    lines = [f"<{delivery.recipient.address}>", verdict.meaning]
    if attempt.reply.code:
        lines.append(f"{attempt.host} said: {attempt.reply.as_line()}")
    if result.give_up and verdict.decision is not Decision.FAIL:
        lines.append("It was tried until the time for it was over.")
    if result.delayed_until and action is Action.DELAYED:
        lines.append(f"It is tried until {format_datetime(result.delayed_until)}.")
    if verdict.fix:
        lines.append(f"What can be done: {verdict.fix}")
    return "\n    ".join(lines)


def _status(report: Report) -> bytes:
    """Return the machine's part (RFC 3464 §2; RFC 6533 §3 where an address is not ASCII)."""
    batch = report.batch
    about = [f"Reporting-MTA: dns; {report.hostname}"]
    if batch.envelope.envid:
        about.append(f"Original-Envelope-Id: {_from_xtext(batch.envelope.envid)}")
    about.append(f"Arrival-Date: {format_datetime(batch.accepted_at)}")
    groups = [about, *(_recipient_fields(report, *one) for one in report.told)]
    text = "\r\n\r\n".join("\r\n".join(group) for group in groups)
    kind = "delivery-status" if text.isascii() else "global-delivery-status"
    extra = "" if text.isascii() else "\r\nContent-Transfer-Encoding: 8bit"
    return f"Content-Type: message/{kind}{extra}\r\n\r\n{text}\r\n".encode()


def _recipient_fields(report: Report, delivery: Delivery, result: Result) -> list[str]:
    recipient, attempt = delivery.recipient, result.attempt
    lines = []
    if recipient.orcpt:
        lines.append(f"Original-Recipient: {_original_recipient(recipient.orcpt)}")
    lines.append(f"Final-Recipient: {_typed(recipient.address)}")
    lines.append(f"Action: {report.action}")
    lines.append(f"Status: {_status_code(report.action, result)}")
    if attempt.host:
        lines.append(f"Remote-MTA: dns; {attempt.host}")
    if attempt.reply.code:
        said = attempt.reply.as_line().encode("ascii", "replace").decode()
        lines.append(f"Diagnostic-Code: smtp; {said[:900]}")
    lines.append(f"Last-Attempt-Date: {format_datetime(report.at)}")
    if result.delayed_until and report.action is Action.DELAYED:
        lines.append(f"Will-Retry-Until: {format_datetime(result.delayed_until)}")
    return lines


def _typed(address: Address) -> str:
    return f"{'utf-8' if address.needs_smtputf8 else 'rfc822'}; {address}"


def _status_code(action: Action, result: Result) -> str:
    """Return the code of a class that fits the action (RFC 3464 §2.3.4)."""
    attempt, enhanced = result.attempt, result.attempt.reply.enhanced
    fitting = {Action.FAILED: "5", Action.DELAYED: "4", Action.RELAYED: "2"}[action]
    if enhanced is not None and enhanced.startswith(fitting):
        return enhanced
    if action is Action.FAILED and result.give_up:
        return EXPIRED
    if action is Action.DELAYED and not attempt.reply.code:
        return NOBODY_ANSWERED if attempt.phase is Phase.CONNECT else CONNECTION_LOST
    return f"{fitting}.0.0"


def _original(report: Report) -> bytes:
    """Return what was sent, or its header alone, by RET and by size.

    RFC 3461 §4.3: RET is about failures; other notifications return the header alone.
    """
    batch = report.batch
    content = apply_edits(batch.content, batch.edits)
    ret = (batch.envelope.ret or "").upper() if report.action is Action.FAILED else "HDRS"
    most = FULL_ASKED_BYTES if ret == "FULL" else FULL_BYTES
    kind = "message/rfc822"
    if ret == "HDRS" or len(content) > most:
        message = parse_message(content)
        content = b"".join(field.raw for field in message.fields)
        kind = "text/rfc822-headers"
    encoding = "7bit" if content.isascii() else "8bit"
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + content


def _original_recipient(orcpt: str) -> str:
    """Return ORCPT as a field; an address of type utf-8 has an encoding of its own.

    RFC 6533 §3: that one stands in the field as it came.
    """
    kind, _, address = orcpt.partition(";")
    return orcpt if kind.lower() == "utf-8" else f"{kind};{_from_xtext(address)}"


def _from_xtext(text: str) -> str:
    """Return what was written as xtext (RFC 3461 §4), on one line whatever that was."""
    octets = XTEXT.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode())
    shown = octets.decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in shown)
