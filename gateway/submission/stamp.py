"""Date, Message-ID, Received (RFC 6409 §8): a submission becomes a message on its way.

Bcc and Return-Path are taken out (RFC 5322 §3.6.3, RFC 5321 §4.4), and what the helpdesk
calls the conversation, which is for us. The other bytes stay as they came; what is added
stands above them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from email.utils import format_datetime

from gateway.mail.delivery import Kind, Outgoing
from gateway.mail.envelope import Peer, Submission
from gateway.mail.ids import REF_FIELD
from gateway.mail.message import Message
from gateway.submission.admission import Letter, Way

REMOVED = frozenset({"bcc", "resent-bcc", "return-path", REF_FIELD.lower()})
UNSAFE = re.compile(r"[^A-Za-z0-9.:_\[\]-]")  # of a HELO, as it stands in a trace field


def stamp(letter: Letter, way: Way, *, id: str, hostname: str) -> Outgoing:  # noqa: A002
    """Return the message as it is kept, with our `id` in its Received field."""
    submission, message = letter.submission, letter.message
    message_id = message.message_id or f"<{id}@{way.header_from.rpartition('@')[2]}>"
    added = [received(submission, id=id, hostname=hostname)]
    if not _has_value(message, "Date"):
        added.append(f"Date: {format_datetime(submission.received_at)}\r\n")
    if not message.message_id:
        added.append(f"Message-ID: {message_id}\r\n")
    return Outgoing(
        id=id,
        tenant=submission.tenant,
        lane=way.lane,
        kind=Kind.SUBMISSION,
        envelope=replace(submission.envelope, return_path=way.return_path),
        content="".join(added).encode() + _cleaned(message),
        message_id=message_id.encode("ascii", "replace").decode(),
        header_from=way.header_from,
        edits=way.edits,
        credential=submission.credential,
        conversation_ref=message.text(REF_FIELD) or None,
    )


def received(submission: Submission, *, id: str, hostname: str) -> str:  # noqa: A002
    """Return our trace field (RFC 5321 §4.4); the recipient only where there is just one."""
    envelope = submission.envelope
    lines = [f"by {hostname} id {id}"]  # without a network there is no more to tell
    if peer := submission.peer:
        protocol = _protocol(peer, utf8=envelope.smtputf8)
        lines = [*_origin(peer), f"by {hostname} with {protocol} id {id}"]
    if len(envelope.recipients) == 1:
        lines.append(f"for <{envelope.recipients[0].address}>")
    said = "\r\n\t".join(lines)
    return f"Received: {said};\r\n\t{format_datetime(submission.received_at)}\r\n"


def _origin(peer: Peer) -> list[str]:
    helo = UNSAFE.sub("?", peer.helo) or "unknown"
    lines = [f"from {helo} ([{_literal(peer.address)}])"]
    if peer.tls:
        version, _, cipher = peer.tls.partition(" ")
        lines.append(f"(using {version} with cipher {cipher})")
    return lines


def _protocol(peer: Peer, *, utf8: bool) -> str:
    """Name the protocol (RFC 3848, RFC 6531 §4.3); every session has signed in."""
    return ("UTF8SMTP" if utf8 else "ESMTP") + ("SA" if peer.tls else "A")


def _literal(address: str) -> str:
    return f"IPv6:{address}" if ":" in address else address


def _has_value(message: Message, name: str) -> bool:
    field = message.first(name)
    return bool(field and field.value)


def _cleaned(message: Message) -> bytes:
    """Return the bytes without the fields that must not leave or that we add in full."""
    empty = {name.lower() for name in ("Date", "Message-ID") if not _has_value(message, name)}
    unwanted = REMOVED | empty
    if not any(field.name.lower() in unwanted for field in message.fields):
        return message.content
    header_end = sum(len(field.raw) for field in message.fields)
    kept = [field.raw for field in message.fields if field.name.lower() not in unwanted]
    return b"".join(kept) + message.content[header_end:]
