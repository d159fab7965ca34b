"""Conversations by Message-ID: as the helpdesk wrote it, and as the upstream rewrote it.

Every query names the tenant: nothing crosses tenants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.store.sqlite import Db

REF_OF_MESSAGE = (  # of a message `m` in a query
    "(SELECT r.ref FROM conversation_refs r WHERE r.tenant = m.tenant"
    " AND r.conversation = m.conversation)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What one Message-ID stands for."""

    conversation: str
    ours: str  # the id as the helpdesk, or the customer, wrote it
    direction: str  # out | in


def learn(
    db: Db,
    *,
    tenant: str,
    id_: str,
    ours: str,
    conversation: str,
    direction: str,
    now: datetime,
) -> None:
    """Remember that `id_` (perhaps rewritten from `ours`) belongs to a conversation."""
    db.execute(
        "INSERT OR IGNORE INTO threads (tenant, id, conversation, ours, direction, at)"
        " VALUES (?,?,?,?,?,?)",
        (tenant, id_, conversation, ours, direction, now.timestamp()),
    )


def find(db: Db, *, tenant: str, id_: str) -> Known | None:
    """Return what a Message-ID stands for, None when the tenant does not know it."""
    row = db.execute(
        "SELECT conversation, ours, direction FROM threads WHERE tenant = ? AND id = ?",
        (tenant, id_),
    ).fetchone()
    return Known(conversation=row[0], ours=row[1], direction=row[2]) if row else None


def find_newest(db: Db, *, tenant: str, conversation: str) -> Known | None:
    """Return the newest mail of a conversation, one that was sent if there is any."""
    row = db.execute(
        "SELECT ours, direction FROM threads WHERE tenant = ? AND conversation = ?"
        " ORDER BY direction = 'out' DESC, at DESC LIMIT 1",
        (tenant, conversation),
    ).fetchone()
    return Known(conversation=conversation, ours=row[0], direction=row[1]) if row else None


def add_peers(db: Db, *, tenant: str, conversation: str, addresses: Sequence[str]) -> None:
    """Remember who takes part in a conversation."""
    db.executemany(
        "INSERT OR IGNORE INTO peers (tenant, conversation, address) VALUES (?,?,?)",
        [(tenant, conversation, address) for address in addresses],
    )


def is_peer(db: Db, *, tenant: str, conversation: str, address: str) -> bool:
    """Whether an address takes part in a conversation."""
    query = "SELECT 1 FROM peers WHERE tenant = ? AND conversation = ? AND address = ?"
    return db.execute(query, (tenant, conversation, address)).fetchone() is not None


def set_conversation(db: Db, message: str, conversation: str) -> int:
    """Book a stored message under its conversation; return its place there, from 1 on.

    Of one that is booked there already the place stays what it was.
    """
    rows = db.execute(
        "UPDATE message SET conversation = ?1, sequence = CASE WHEN conversation = ?1"
        " THEN sequence ELSE (SELECT coalesce(max(sequence), 0) + 1 FROM message"
        " WHERE conversation = ?1) END WHERE id = ?2 RETURNING sequence",
        (conversation, message),
    ).fetchall()
    return int(rows[0][0]) if rows else 0


def set_ref(db: Db, *, tenant: str, conversation: str, ref: str) -> None:
    """Remember what the helpdesk calls a conversation; of several names the newest."""
    db.execute(
        "INSERT OR REPLACE INTO conversation_refs (tenant, conversation, ref) VALUES (?,?,?)",
        (tenant, conversation, ref),
    )


def ref_of(db: Db, *, tenant: str, conversation: str) -> str | None:
    """Return what the helpdesk calls a conversation, None where it gave no name."""
    row = db.execute(
        "SELECT ref FROM conversation_refs WHERE tenant = ? AND conversation = ?",
        (tenant, conversation),
    ).fetchone()
    return row[0] if row else None


def conversation_of(db: Db, message: str) -> str | None:
    """Return the conversation of a stored message, None when it has none."""
    row = db.execute("SELECT conversation FROM message WHERE id = ?", (message,)).fetchone()
    return row[0] if row else None
