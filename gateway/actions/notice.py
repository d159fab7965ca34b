"""Pure: who is told that a policy holds mail, or asks to notify, and the mail that tells.

It leaves by the path of [alerts], never by an upstream of a tenant, and reaches only those
whom the configuration names: "postmaster" is [alerts] to, "owner" the tenant's owner, and an
address is the owner's or stands in the tenant's `notify`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from gateway.actions.answer import Mark, loop_mark
from gateway.actions.gate import LOOP_FIELD
from gateway.actions.letter import plain
from gateway.config import AlertSettings
from gateway.mail.ids import new_id
from gateway.mail.message import Message
from gateway.mail.tenant import Tenant
from gateway.mail.trouble import Alert
from gateway.sieve.mailto import BadAddress, compose_notification, parse_mailto

SEVEN_BIT = SMTP.clone(cte_type="7bit")  # any server takes it
POSTMASTER, OWNER = "postmaster", "owner"
MAX_SHOWN = 500  # characters
NO_PATH = "nobody is told: gateway.conf has no [alerts]"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePath:
    """The path of [alerts], and our name; without [alerts] nobody is told."""

    settings: AlertSettings = field(default_factory=AlertSettings)
    hostname: str = "localhost.localdomain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A held message as people are told of it."""

    id: str
    tenant: Tenant
    message: Message
    where: str  # the mailbox, or "a submission"
    reason: str
    ends: str = ""  # what becomes of it by itself


def write_hold_notices(
    names: Iterable[str], held: Held, *, path: NoticePath, mark: Mark, now: datetime
) -> tuple[Alert, ...]:
    """Return a mail to each whom a hold's `:notify` names."""
    text = (
        f"A policy holds a message of {held.tenant.id} ({held.where}).\n\n"
        f"From:    {_shown(held.message.text('From'))}\n"
        f"Subject: {_shown(held.message.text('Subject'))}\n"
        f"Why:     {_shown(held.reason)}\n"
        + (f"By itself: {held.ends}\n" if held.ends else "")
        + f"\nLet it go on: gateway queue release {held.id}\n"
        f"Remove it:    gateway queue delete {held.id}\n"
    )
    message = EmailMessage(policy=SEVEN_BIT)
    message["Subject"] = f"[{path.hostname}] {held.tenant.id}: a message is held"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5
    message.set_content(text)
    told = find_told(names, held.tenant, path)
    cause = f"held {held.id}"
    return tuple(_alert(message, one, cause, path=path, mark=mark, now=now) for one in told)


def write_notifications(
    uri: str,
    arguments: dict[str, Any],
    held: Held,
    *,
    path: NoticePath,
    mark: Mark,
    now: datetime,
) -> tuple[Alert, ...]:
    """Return the mails of a `notify` (RFC 5436 §2) to whom the configuration names."""
    try:
        wanted = parse_mailto(uri)
    except BadAddress:  # refused when the policy ran; a stored Plan may be of an older release
        return ()
    addresses = [one.address for one in (*wanted.to, *wanted.cc)]
    subject, author = (_shown(held.message.text(name)) for name in ("Subject", "From"))
    composed = compose_notification(
        replace(wanted, cc=[]),
        sender=f"Mail gateway <{path.settings.sender}>",
        message=arguments.get("message") or f"{author}: {subject}",
        importance=arguments.get("importance"),
        automatic=arguments.get("automatic") or "auto-notified",
    )
    message = message_from_bytes(composed, policy=SEVEN_BIT)
    del message["From"], message["To"]
    told = find_told(addresses, held.tenant, path)
    cause = f"notify {held.id}"
    return tuple(_alert(message, one, cause, path=path, mark=mark, now=now) for one in told)


def find_told(names: Iterable[str], tenant: Tenant, path: NoticePath) -> list[str]:
    """Return the addresses behind names that the configuration knows, each once."""
    if not path.settings.is_on:
        return []
    known = {one.casefold(): one for one in tenant.told}
    operator = path.settings.to or ()
    found: dict[str, None] = {}
    for name in names:
        key = name.casefold()
        if key == POSTMASTER:
            found.update(dict.fromkeys(operator))
        elif key == OWNER and tenant.owner:
            found[tenant.owner] = None
        elif key in known:
            found[known[key]] = None
    return list(found)


def _alert(
    message: Any, to: str, cause: str, *, path: NoticePath, mark: Mark, now: datetime
) -> Alert:
    id_ = new_id()
    message_id = f"<{id_}@{path.hostname}>"
    for name, value in (
        ("Date", format_datetime(now)),
        ("From", f"Mail gateway <{path.settings.sender}>"),
        ("To", to),
        ("Message-ID", message_id),
        (LOOP_FIELD, loop_mark(mark, id_)),
    ):
        del message[name]
        message[name] = value
    return Alert(
        message_id=message_id,
        cause=cause,
        recipient=to,
        content=message.as_bytes(policy=SEVEN_BIT),
        queued_at=now,
    )


def _shown(text: str) -> str:
    """Return what a stranger may have written as a piece of one line."""
    return plain(text[:MAX_SHOWN])
