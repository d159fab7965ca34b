"""The mail that a complaint is about."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.mail.delivery import LaneKind
from gateway.store.sqlite import Db


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A mail that left by an upstream, and to whom."""

    id: str
    message_id: str
    conversation: str | None
    recipients: tuple[str, ...]


def find_sent(db: Db, *, tenant: str, message_id: str) -> Sent | None:
    """Return the newest mail of the tenant with this Message-ID that left by an upstream."""
    row = db.execute(
        "SELECT m.id, m.message_id, m.conversation FROM message m"
        " WHERE m.message_id = ? AND m.tenant = ? AND EXISTS"
        " (SELECT 1 FROM delivery d WHERE d.message = m.id AND d.lane_kind = ?)"
        " ORDER BY m.accepted_at DESC LIMIT 1",
        (message_id, tenant, LaneKind.UPSTREAM.value),
    ).fetchone()
    if row is None:
        return None
    query = "SELECT recipient FROM delivery WHERE message = ? ORDER BY number"
    recipients = tuple(one for (one,) in db.execute(query, (row[0],)))
    return Sent(id=row[0], message_id=row[1], conversation=row[2], recipients=recipients)
