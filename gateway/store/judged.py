"""Messages that policies judged, with all that they were judged by: for another look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.mail.inbound import Authenticity
from gateway.mail.plan import Plan
from gateway.store import rows
from gateway.store.sqlite import Db


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedMessage:
    """One message of either direction and its Plan; its content is empty once removed."""

    id: str
    tenant: str
    chain: str  # inbound | outbound
    accepted_at: datetime
    content: bytes
    header_from: str
    mail_from: str  # envelope sender of a submission
    rcpt_to: tuple[str, ...]
    conversation: str
    is_reply: bool
    authenticity: Authenticity | None
    plan: Plan


def last(db: Db, *, tenant: str | None, limit: int) -> list[str]:
    """Return the ids of the newest messages with a Plan, newest first."""
    query = (
        "SELECT m.id FROM message m LEFT JOIN plans p ON p.message = m.id"
        " LEFT JOIN inbox i ON i.message = m.id"
        " WHERE (p.plan IS NOT NULL OR i.plan IS NOT NULL)"
        " AND (:tenant IS NULL OR m.tenant = :tenant)"
        " ORDER BY m.accepted_at DESC, m.id DESC LIMIT :limit"
    )
    return [row[0] for row in db.execute(query, {"tenant": tenant, "limit": limit})]


def load(db: Db, id_: str) -> JudgedMessage | None:
    """Return one of them; None when it is gone."""
    row = db.execute(
        "SELECT m.tenant, m.accepted_at, c.bytes, m.header_from, m.return_path,"
        " m.conversation, i.mailbox, i.authenticity, coalesce(i.plan, p.plan),"
        " EXISTS (SELECT 1 FROM message o WHERE o.conversation = m.conversation"
        " AND o.tenant = m.tenant AND o.accepted_at < m.accepted_at)"
        " FROM message m LEFT JOIN content c ON c.message = m.id"
        " LEFT JOIN plans p ON p.message = m.id LEFT JOIN inbox i ON i.message = m.id"
        " WHERE m.id = ?",
        (id_,),
    ).fetchone()
    if row is None or row[8] is None:
        return None
    mailbox, proven = row[6], row[7]
    return JudgedMessage(
        id=id_,
        tenant=row[0],
        chain="outbound" if mailbox is None else "inbound",
        accepted_at=datetime.fromtimestamp(row[1], UTC),
        content=row[2] or b"",
        header_from=row[3],
        mail_from=row[4] or "",
        rcpt_to=(mailbox,) if mailbox is not None else _recipients(db, id_),
        conversation=row[5] or "",
        is_reply=bool(row[9]),
        authenticity=rows.read(Authenticity, proven) if proven else None,
        plan=rows.read(Plan, row[8]),
    )


def _recipients(db: Db, id_: str) -> tuple[str, ...]:
    query = "SELECT recipient FROM delivery WHERE message = ? ORDER BY number"
    return tuple(row[0] for row in db.execute(query, (id_,)))
