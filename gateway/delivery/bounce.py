"""Failed deliveries -> one delivery status notification, for the tenant's route: pure.

RFC 3464 for its form, RFC 3461 for what the sender asked to be told. There is no direct path
to the sender: without a route a failure is an event and a journal entry. Nothing is bounced
to a null sender, so no bounce ever answers a bounce.
"""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

from gateway.mail.address import Address, parse_address
from gateway.mail.delivery import (
    Batch,
    Delivery,
    Kind,
    Lane,
    LaneKind,
    Outgoing,
    Result,
)
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.message import apply_edits, parse_message
from gateway.mail.tenant import Tenant

Failures = Sequence[tuple[Delivery, Result]]

FULL_BYTES = 64 * 1024  # the whole original up to here, where nobody asked
FULL_ASKED_BYTES = 1024 * 1024  # and up to here with RET=FULL
EXPIRED = "5.4.7"  # RFC 3463 §3.5: delivery time expired
XTEXT = re.compile(r"\+([0-9A-F]{2})")


def bounce_for(
    batch: Batch, failures: Failures, *, tenant: Tenant, hostname: str, now: datetime
) -> Outgoing | None:
    """Return the notification of the failures in `batch`, or None when nobody is told."""
    told = [(one, result) for one, result in failures if _asked(one.recipient)]
    route = tenant.routes.get(tenant.route or "")
    sender = batch.envelope.return_path
    if not told or route is None or sender is None or batch.lane.kind is not LaneKind.UPSTREAM:
        return None
    id_ = new_id()
    message_id = f"<{id_}@{hostname}>"
    content = _write(batch, told, message_id=message_id, hostname=hostname, now=now)
    to = parse_address(route.to) if route.to else sender
    return Outgoing(
        id=id_,
        tenant=tenant.id,
        lane=Lane(tenant.id, LaneKind.ROUTE, route.name),
        kind=Kind.BOUNCE,
        envelope=Envelope(
            return_path=None,  # RFC 5321 §4.5.5
            recipients=(Recipient(to, notify="NEVER"),),
            body_8bit=not content.isascii(),
        ),
        content=content,
        message_id=message_id,
        header_from=f"mailer-daemon@{hostname}",
        origin=batch.message,
    )


def _asked(recipient: Recipient) -> bool:
    """RFC 3461 §4.1: without NOTIFY a failure is told; with it, where it is named."""
    if recipient.notify is None:
        return True
    return "FAILURE" in recipient.notify.upper().split(",")


def _write(
    batch: Batch, failures: Failures, *, message_id: str, hostname: str, now: datetime
) -> bytes:
    boundary = f"=_{message_id[1:-1].replace('@', '.')}"
    parts = (
        _explanation(failures, hostname),
        _status(batch, failures, hostname=hostname, now=now),
        _original(batch),
    )
    header = _header(batch, message_id=message_id, hostname=hostname, now=now)
    report = "Content-Type: multipart/report; report-type=delivery-status;"
    header += f'{report}\r\n\tboundary="{boundary}"\r\n'.encode()
    if not parts[2].isascii():
        header += b"Content-Transfer-Encoding: 8bit\r\n"
    between = f"\r\n--{boundary}\r\n".encode()
    return header + b"".join(between + part for part in parts) + between[:-2] + b"--\r\n"


def _header(batch: Batch, *, message_id: str, hostname: str, now: datetime) -> bytes:
    lines = [
        f"Date: {format_datetime(now)}",
        f"From: Mail Delivery System <mailer-daemon@{hostname}>",
        f"To: <{batch.envelope.return_path}>",
        "Subject: Undelivered mail returned to sender",
        f"Message-ID: {message_id}",
        *_thread(batch),
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


def _explanation(failures: Failures, hostname: str) -> bytes:
    paragraphs = [
        f"This is the mail system of {hostname}.",
        "Your message could not be delivered to the following recipients. It is not tried"
        " again.",
        *(_told(delivery, result) for delivery, result in failures),
    ]
    text = "\n\n".join(paragraphs) + "\n"
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
    if text.isascii() and max(map(len, text.split("\n"))) < 998:
        return head + b"7bit\r\n\r\n" + text.replace("\n", "\r\n").encode()
    octets = encodebytes(text.replace("\n", "\r\n").encode())
    return head + b"base64\r\n\r\n" + octets.replace(b"\n", b"\r\n")


def _told(delivery: Delivery, result: Result) -> str:
    attempt, verdict = result.attempt, result.verdict
    lines = [f"<{delivery.recipient.address}>", verdict.meaning]
    if attempt.reply.code:
        lines.append(f"{attempt.host} said: {attempt.reply.as_line()}")
    if result.give_up:
        lines.append("It was tried until the time for it was over.")
    if verdict.fix:
        lines.append(f"What can be done: {verdict.fix}")
    return "\n    ".join(lines)


def _status(batch: Batch, failures: Failures, *, hostname: str, now: datetime) -> bytes:
    """Return the machine's part (RFC 3464 §2; RFC 6533 §3 where an address is not ASCII)."""
    about = [f"Reporting-MTA: dns; {hostname}"]
    if batch.envelope.envid:
        about.append(f"Original-Envelope-Id: {_line(_from_xtext(batch.envelope.envid))}")
    about.append(f"Arrival-Date: {format_datetime(batch.accepted_at)}")
    groups = [about, *(_recipient_lines(one, result, now) for one, result in failures)]
    text = "\r\n\r\n".join("\r\n".join(group) for group in groups)
    kind = "delivery-status" if text.isascii() else "global-delivery-status"
    extra = "" if text.isascii() else "\r\nContent-Transfer-Encoding: 8bit"
    return f"Content-Type: message/{kind}{extra}\r\n\r\n{text}\r\n".encode()


def _recipient_lines(delivery: Delivery, result: Result, now: datetime) -> list[str]:
    recipient, attempt = delivery.recipient, result.attempt
    lines = []
    if recipient.orcpt:
        lines.append(f"Original-Recipient: {_line(_from_xtext(recipient.orcpt))}")
    lines.append(f"Final-Recipient: {_typed(recipient.address)}")
    lines.append("Action: failed")
    lines.append(f"Status: {_status_code(result)}")
    if attempt.host:
        lines.append(f"Remote-MTA: dns; {attempt.host}")
    if attempt.reply.code:
        said = attempt.reply.as_line().encode("ascii", "replace").decode()
        lines.append(f"Diagnostic-Code: smtp; {said[:900]}")
    lines.append(f"Last-Attempt-Date: {format_datetime(now)}")
    return lines


def _typed(address: Address) -> str:
    return f"{'utf-8' if address.needs_smtputf8 else 'rfc822'}; {address}"


def _status_code(result: Result) -> str:
    enhanced = result.attempt.reply.enhanced
    if enhanced is not None and enhanced.startswith("5"):
        return enhanced
    return EXPIRED if result.give_up else "5.0.0"


def _original(batch: Batch) -> bytes:
    """Return the original, or its header alone, by RET and by size (RFC 3461 §4.3)."""
    content = apply_edits(batch.content, batch.edits)
    ret = (batch.envelope.ret or "").upper()
    most = FULL_ASKED_BYTES if ret == "FULL" else FULL_BYTES
    kind = "message/rfc822"
    if ret == "HDRS" or len(content) > most:
        message = parse_message(content)
        content = b"".join(field.raw for field in message.fields)
        kind = "text/rfc822-headers"
    encoding = "7bit" if content.isascii() else "8bit"
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + content


def _from_xtext(text: str) -> str:
    """Return what was written as xtext (RFC 3461 §4)."""
    return XTEXT.sub(lambda found: chr(int(found.group(1), 16)), text)


def _line(text: str) -> str:
    return " ".join(text.split())
