"""Mail that an action sends: answers, refusals, redirected messages, as the RFCs have them.

This is what `testsuite` looks at. The gateway's own gate in front of every answer is
stricter and stands outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.sieve.addresses import Mailbox, parse_path, parse_single
from gateway.sieve.encoded_words import decode_words, encode_words
from gateway.sieve.interface import Action
from gateway.sieve.message import Message

MAX_REFERENCES = 1000  # bytes
_LIST_FIELDS = [
    "list-id",
    "list-owner",
    "list-subscribe",
    "list-post",
    "list-unsubscribe",
    "list-archive",
    "list-help",
]
_NO_ANSWER = frozenset({"mailer-daemon", "listserv", "majordomo", "postmaster"})
_RECIPIENT_FIELDS = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One message on its way out; an empty `mail_from` is the null path."""

    kind: str
    mail_from: str
    rcpt_to: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """Who was written to, and how answers look here."""

    sender: str  # envelope sender, empty for the null path
    recipients: tuple[str, ...]  # our addresses, the one to answer from first
    check_recipient: bool = True
    from_recipient: bool = False  # the envelope sender is our address, not null
    header_recipient: bool = False  # To is taken from the header, not from the envelope
    subject_template: str = "Auto: {subject}"
    default_subject: str = "Automated reply"
    max_subject: int = 256  # characters


def find_silence(message: Message, action: Action, *, answering: Answering) -> str | None:
    """Return why a message gets no automatic answer (RFC 3834 §2, RFC 5230 §4.5), or None."""
    sender = answering.sender.lower()
    if not sender:
        return "the envelope sender is empty"
    if _is_system(sender.rpartition("@")[0]):
        return "the sender is a system address"
    own = _own(action, answering)
    if sender in own:
        return "the sender is an own address"
    if any(message.named(_LIST_FIELDS)):
        return "list mail"
    if reason := is_automatic(message) or _unwanted(message):
        return reason
    if answering.check_recipient and _addressed(message, own) is None:
        return "no own address among the recipients"
    return None


def compose_vacation(message: Message, action: Action, *, answering: Answering) -> Outgoing:
    """Return the answer (RFC 5230 §5)."""
    given = action.arguments
    recipient = _addressed(message, _own(action, answering)) or answering.recipients[0]
    head = [
        ("X-Auto-Response-Suppress", "All"),
        ("From", _shown_address(given["from"] or recipient)),
        ("To", _answered(message, answering)),
        ("Subject", encode_words(_subject(message, action, answering))),
        *_threading(message),
        ("Auto-Submitted", "auto-replied (vacation)"),
        ("Precedence", "bulk"),
        ("MIME-Version", "1.0"),
    ]
    return Outgoing(
        kind="vacation",
        mail_from=recipient if answering.from_recipient else "",
        rcpt_to=_answer_address(message, answering).address,
        content=_built(head, given["reason"], mime=given["mime"]),
    )


def compose_rejection(message: Message, action: Action, *, sender: str, own: str) -> Outgoing:
    """Return a disposition notification that refuses the message (RFC 5429 §2.1.2)."""
    subject = _decoded(message, "subject")
    head = [
        ("From", f"Postmaster <postmaster@{own.rpartition('@')[2]}>"),
        ("To", f"<{sender}>"),
        ("Subject", encode_words(f"Rejected: {subject}")),
        *_threading(message),
        ("Auto-Submitted", "auto-replied (rejected)"),
        ("MIME-Version", "1.0"),
    ]
    return Outgoing(
        kind=action.kind,
        mail_from="",
        rcpt_to=sender,
        content=_report(head, action.arguments["reason"], message=message, own=own),
    )


def compose_redirect(content: bytes, action: Action, *, mail_from: str, by: str) -> Outgoing:
    """Return the message as it was, marked so that a loop is found (RFC 5228 §4.2)."""
    mark = f"X-Sieve-Redirected-From: {by}\r\n".encode()
    return Outgoing(
        kind="redirect",
        mail_from=mail_from,
        rcpt_to=action.target,
        content=mark + content,
    )


def is_looping(message: Message, by: str) -> bool:
    """Whether the message was redirected by the same address before."""
    marks = message.named(["x-sieve-redirected-from"])
    return any(mark.unfolded.lower() == by.lower() for mark in marks)


def is_automatic(message: Message) -> str | None:
    """Return why the message was written by a machine, or None (RFC 3834 §5)."""
    for field in message.named(["auto-submitted"]):
        if field.unfolded.partition(";")[0].strip().lower() != "no":
            return "automatic mail"
    return None


def _is_system(local: str) -> bool:
    local = local.strip('"')
    return (
        local in _NO_ANSWER
        or local.endswith("-request")
        or local.startswith(("owner-", "bounce-"))
    )


def _unwanted(message: Message) -> str | None:
    for field in message.named(["precedence"]):
        if field.unfolded.lower() in ("bulk", "list", "junk"):
            return "bulk mail"
    for field in message.named(["x-auto-response-suppress"]):
        words = {word.strip().lower() for word in field.unfolded.split(",")}
        if words & {"all", "oof", "autoreply"}:
            return "the sender asks for no automatic answer"
    return None


def _own(action: Action, answering: Answering) -> list[str]:
    given = [path.address for one in action.arguments["addresses"] if (path := parse_path(one))]
    return [one.lower() for one in (*answering.recipients, *given)]


def _addressed(message: Message, own: Sequence[str]) -> str | None:
    """Return the own address that the message was written to, or None."""
    for field in message.named(_RECIPIENT_FIELDS):
        for mailbox in field.mailboxes:
            if mailbox.address.lower() in own:
                return mailbox.address
    return None


def _answer_address(message: Message, answering: Answering) -> Mailbox:
    written = [
        mailbox
        for field in message.named(["sender", "resent-from", "from", "reply-to"])
        for mailbox in field.mailboxes
        if mailbox.domain
    ]
    if answering.header_recipient and written:
        return written[0]
    for mailbox in written:
        if mailbox.address.lower() == answering.sender.lower():
            return mailbox
    return parse_path(answering.sender) or Mailbox(answering.sender, "")


def _answered(message: Message, answering: Answering) -> str:
    return _shown_mailbox(_answer_address(message, answering))


def _shown_address(value: str) -> str:
    mailbox = parse_single(value)
    return _shown_mailbox(mailbox) if mailbox else f"<{value}>"


def _shown_mailbox(mailbox: Mailbox) -> str:
    name = decode_words(mailbox.name)
    if not name:
        return f"<{mailbox.address}>"
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{mailbox.address}>'
    return f"{encode_words(name)} <{mailbox.address}>"


def _subject(message: Message, action: Action, answering: Answering) -> str:
    given = action.arguments["subject"]
    if given is not None:
        return str(decode_words(given))
    subject = _decoded(message, "subject")
    if not subject:
        return answering.default_subject
    answer = answering.subject_template.replace("{subject}", subject)
    if len(answer) > answering.max_subject:
        return answer[: answering.max_subject - 1] + "…"
    return answer


def _threading(message: Message) -> list[tuple[str, str]]:
    """Return In-Reply-To and References (RFC 5322 §3.6.4), the oldest ids cut."""
    found = message.named(["message-id"])
    if not found:
        return []
    message_id = found[0].unfolded
    before = message.named(["references"]) or message.named(["in-reply-to"])
    ids = [one for field in before for one in field.unfolded.split()] + [message_id]
    while len(ids) > 1 and sum(len(one) + 1 for one in ids) > MAX_REFERENCES:
        del ids[1 if len(ids) > 2 else 0]
    return [("In-Reply-To", message_id), ("References", "\r\n ".join(ids))]


def _decoded(message: Message, name: str) -> str:
    found = message.named([name])
    return found[0].value if found else ""


def _built(head: Sequence[tuple[str, str]], text: str, *, mime: bool) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in head)
    if not mime:
        lines += (
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        )
    ended = text if text.endswith("\n") else text + "\r\n"
    return (lines + ended).encode("utf-8", "surrogateescape")


def _report(
    head: Sequence[tuple[str, str]], reason: str, *, message: Message, own: str
) -> bytes:
    """Return a multipart/report with text, disposition and the header (RFC 8098 §3)."""
    boundary = "=_disposition"
    fields = b"".join(field.name.encode() + b":" + field.raw for field in message.fields)
    kind = f'multipart/report; report-type=disposition-notification; boundary="{boundary}"'
    top = "".join(f"{name}: {value}\r\n" for name, value in [*head, ("Content-Type", kind)])
    text = (
        f"{top}\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Transfer-Encoding: 8bit\r\n\r\n{reason}\r\n"
        f"--{boundary}\r\nContent-Type: message/disposition-notification\r\n\r\n"
        f"Final-Recipient: rfc822; {own}\r\n"
        "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n"
        f"--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    end = f"\r\n--{boundary}--\r\n".encode()
    return text.encode("utf-8", "surrogateescape") + fields + end
