"""The mail that a report in a mailbox is about: what the tenant sent by an upstream."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.mail.delivery import LaneKind, State
from gateway.mail.ids import first_id
from gateway.store.sqlite import Db
from gateway.store.threads import REF_OF_MESSAGE

MOST_NEWEST = 50
COLUMNS = f"m.id, m.message_id, m.conversation, coalesce(c.bytes, x''), {REF_OF_MESSAGE}"
LEFT = (
    "message m LEFT JOIN content c ON c.message = m.id WHERE m.tenant = :tenant AND EXISTS"
    " (SELECT 1 FROM delivery d WHERE d.message = m.id AND d.lane_kind = :kind"
    " AND d.state <> :failed AND d.recipient LIKE :recipients)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A mail that left by an upstream, and to whom, but those whom its server refused.

    Its content is empty at its age.
    """

    id: str
    message_id: str
    conversation: str | None
    conversation_ref: str | None  # as the helpdesk calls it
    content: bytes = field(repr=False)
    recipients: tuple[str, ...]


def find_sent(db: Db, *, tenant: str, message_id: str) -> Sent | None:
    """Return the newest mail of the tenant with this Message-ID that left by an upstream."""
    query = (  # the second condition is the index's: without it every message is looked at
        f"SELECT {COLUMNS} FROM {LEFT} AND m.message_id = :id AND m.message_id <> ''"
        " ORDER BY m.accepted_at DESC"
    )
    row = db.execute(query, _asked(tenant) | {"id": message_id}).fetchone()
    return _sent(db, row) if row else None


def find_newest(db: Db, *, tenant: str, domain: str, since: datetime) -> list[Sent]:
    """Return the newest mails since a time to a domain that begins so, the newest first."""
    query = (
        f"SELECT {COLUMNS} FROM {LEFT} AND m.id >= :first ORDER BY m.id DESC"
        f" LIMIT {MOST_NEWEST}"
    )
    asked = _asked(tenant, recipients=f"%@{domain}%") | {"first": first_id(since)}
    return [_sent(db, row) for row in db.execute(query, asked).fetchall()]


def find_sole(
    db: Db, *, tenant: str, return_path: str, recipient: str, since: datetime
) -> Sent | None:
    """Return the mail since a time that was delivered by an upstream from one to the other.

    None where there are several, too. `recipient` is an address's key.
    """
    query = (
        f"SELECT {COLUMNS} FROM {LEFT} AND m.id >= :first AND lower(m.return_path) = :path"
        " AND EXISTS (SELECT 1 FROM delivery d WHERE d.message = m.id AND d.state = :done"
        " AND lower(d.recipient) = :key) LIMIT 2"
    )
    asked = {
        "first": first_id(since), "path": return_path.lower(), "key": recipient,
        "done": State.DELIVERED.value,
    }  # fmt: skip
    rows = db.execute(query, _asked(tenant) | asked).fetchall()
    return _sent(db, rows[0]) if len(rows) == 1 else None


def _asked(tenant: str, *, recipients: str = "%") -> dict[str, Any]:
    return {
        "tenant": tenant, "kind": LaneKind.UPSTREAM.value, "failed": State.FAILED.value,
        "recipients": recipients,
    }  # fmt: skip


def _sent(db: Db, row: tuple[Any, ...]) -> Sent:
    query = "SELECT recipient FROM delivery WHERE message = ? AND state <> ? ORDER BY number"
    recipients = tuple(one for (one,) in db.execute(query, (row[0], State.FAILED.value)))
    return Sent(
        id=row[0], message_id=row[1], conversation=row[2], conversation_ref=row[4],
        content=row[3], recipients=recipients,
    )  # fmt: skip
