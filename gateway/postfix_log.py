"""Events as Postfix would log them, for the programs that read its log: pflogsumm, fail2ban.

A message that we make ourselves, a notification of failure above all, is one of its own with
an empty sender. What Postfix has no line for is written by a daemon named `gateway`.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Details = Mapping[str, Any]
Line = tuple[str, str]
"""(daemon and process, text): a daemon without a number is this process."""

DSN = re.compile(r"^\d{3} ([245]\.\d{1,3}\.\d{1,3})\b")
UNSAFE = re.compile(r"[^\x20-\x7e\x80-\U0010ffff]")
OURS = ("answer", "bounce")  # Postfix counts what it makes itself as sent, not as received
STATUS = {
    "delivery.delivered": ("sent", "2"),
    "delivery.deferred": ("deferred", "4"),
    "delivery.set_aside": ("deferred", "4"),
    "delivery.failed": ("bounced", "5"),
}
COMMANDS = {
    "mail": "MAIL FROM", "rcpt": "RCPT TO", "data": "DATA", "after-dot": "end of DATA",
    "auth": "AUTH", "ehlo": "EHLO", "starttls": "STARTTLS",
}  # fmt: skip


class PostfixFormatter(logging.Formatter):
    """`Nov 24 10:00:00 HOSTNAME postfix/smtpd[4711]: ...`, several lines where Postfix has."""

    def __init__(self, hostname: str) -> None:
        super().__init__()
        self._hostname = hostname

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record, in local time as syslog has it."""
        at = time.localtime(record.created)
        head = f"{time.strftime('%b %e %H:%M:%S', at)} {self._hostname} postfix"
        return "\n".join(
            f"{head}/{daemon if '[' in daemon else f'{daemon}[{os.getpid()}]'}: {_safe(text)}"
            for daemon, text in _lines(record)
        )


def _lines(record: logging.LogRecord) -> Iterator[Line]:
    event = getattr(record, "event", record.name)
    details: Details = getattr(record, "details", {"text": record.getMessage()})
    is_mail = details.get("kind") != "event"
    if is_mail and (write := WRITERS.get(event)):
        yield from write(details)
    elif is_mail and event in STATUS:
        yield _tried(event, details)
    else:
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        words = " ".join(f"{key}={value}" for key, value in details.items() if value)
        yield "gateway", f"{level}{event} {words}".rstrip()


def _opened(details: Details) -> Iterator[Line]:
    yield _session(details), f"connect from {_client(details)}"


def _closed(details: Details) -> Iterator[Line]:
    yield _session(details), f"disconnect from {_client(details)}"


def _accepted(details: Details) -> Iterator[Line]:
    login = f"sasl_method={details['mechanism']}, sasl_username={details['credential']}"
    yield _session(details), f"{details['id']}: client={_client(details)}, {login}"
    yield from _queued_lines(details)


def _refused(details: Details) -> Iterator[Line]:
    """Write a refusal of content: pflogsumm takes what stands before `;` for the reason."""
    code, _, text = details["reply"].partition(" ")
    dsn, _, sentence = text.partition(" ")
    to = f" to=<{details['to']}>" if details.get("to") else ""
    yield (
        _session(details),
        f"NOQUEUE: reject: DATA from {_client(details)}: {code} {dsn} <DATA>: {sentence};"
        f" from={_path(details)}{to} proto=ESMTP helo=<{details['helo']}>",
    )


def _sign_in_refused(details: Details) -> Iterator[Line]:
    yield (
        "smtpd",
        f"warning: {_client(details)}: SASL {details['mechanism']} authentication failed:"
        f" {details['reason']}, sasl_username={details['username']}",
    )


def _queued(details: Details) -> Iterator[Line]:
    id_, kind = details["id"], details["kind"]
    if kind == "bounce":
        yield "bounce", f"{details['origin']}: sender non-delivery notification: {id_}"
    if kind not in OURS:
        yield "pickup", f"{id_}: uid={os.getuid()} from={_path(details)}"
    yield from _queued_lines(details)


def _queued_lines(details: Details) -> Iterator[Line]:
    id_ = details["id"]
    yield "cleanup", f"{id_}: message-id={details['message_id'] or '<>'}"
    yield (
        "qmgr",
        f"{id_}: from={_path(details)}, size={details['size_bytes']},"
        f" nrcpt={details['recipients']} (queue active)",
    )


def _tried(event: str, details: Details) -> Line:
    status, digit = STATUS[event]
    reply = details["reply"]
    found = DSN.match(reply)
    dsn = found.group(1) if found and found.group(1)[0] == digit else f"{digit}.0.0"
    before = max(0.0, details["delay_seconds"] - details["seconds"])
    delays = f"{_seconds(before)}/0/0/{_seconds(details['seconds'])}"
    relay = "none" if details["phase"] == "connect" else details["host"]
    return (
        "pipe" if details["phase"] == "http" else "smtp",
        f"{details['id']}: to=<{details['to']}>, relay={relay or 'none'},"
        f" delay={_seconds(details['delay_seconds'])}, delays={delays}, dsn={dsn},"
        f" status={status} ({_said(status, reply, details)})",
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}".rstrip("0").rstrip(".")


def _said(status: str, reply: str, details: Details) -> str:
    """Return the remote's words as Postfix has them; a bracket would end them too early."""
    words = reply.replace("(", "[").replace(")", "]")
    if status == "sent" or not reply[:3].isdigit():
        return words
    command = COMMANDS.get(details["phase"])
    told = f" (in reply to {command} command)" if command else ""
    return f"host {details['host']} said: {words}{told}"


def _finished(details: Details) -> Iterator[Line]:
    yield "qmgr", f"{details['id']}: removed"


def _session(details: Details) -> str:
    """Name a session by its client's port, where Postfix has a process for each session."""
    return f"smtpd[{details['port']}]"


def _client(details: Details) -> str:
    return f"unknown[{details['client']}]"  # names are not looked up


def _path(details: Details) -> str:
    return f"<{details['return_path'] or ''}>"


def _safe(text: str) -> str:
    """Return one line: what a client said may not begin another, nor move a cursor."""
    return UNSAFE.sub("?", text)


WRITERS: Mapping[str, Callable[[Details], Iterator[Line]]] = {
    "session.opened": _opened,
    "session.closed": _closed,
    "submission.accepted": _accepted,
    "submission.refused": _refused,
    "submission.sign_in_refused": _sign_in_refused,
    "message.queued": _queued,
    "message.finished": _finished,
}
