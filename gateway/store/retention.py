"""What is kept for how long: content and journal rows go at their age, in small steps.

What waits keeps both for as long as it waits: mail that is not delivered, that a person has
to decide about, or that was set aside for replay. Addresses and states of a message stay,
so that its books balance and no fetched message is taken for a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from gateway.mail.ids import first_id
from gateway.store.sqlite import Db

C = TypeVar("C", str, int)
Row = tuple[str, int, int]  # id, size in bytes, whether it goes

STEP_BYTES = 16 * 1024 * 1024
LEFT_FREE_PAGES = 1000  # new mail takes these: giving them back would only be work
WAITS_OUT = "EXISTS (SELECT 1 FROM delivery d WHERE d.message = {id} AND d.finished_at IS NULL)"
WAITS_IN = (
    "EXISTS (SELECT 1 FROM inbox i WHERE i.message = {id} AND (i.state <> 'done'"
    " OR i.outcome IN ('held', 'set_aside')))"
)
MESSAGE_WAITS = f"({WAITS_OUT} OR {WAITS_IN})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Generic[C]):
    """One small step: how much it removed, and where the next one begins; None: nowhere."""

    removed: int
    size_bytes: int = 0
    next_after: C | None


def remove_contents(
    db: Db,
    *,
    after: str,
    sent_before: datetime,
    received_before: datetime,
    limit: int = 200,
    most_bytes: int = STEP_BYTES,
) -> Step[str]:
    """Remove old content of finished messages with ids above `after`; at most `limit` looks.

    Sent mail is as old as its last recipient's end, received mail as its arrival.
    """
    rows = db.execute(
        "SELECT c.message, m.size_bytes, CASE m.kind WHEN 'fetched' THEN"
        " m.accepted_at <= :received ELSE m.accepted_at <= :sent AND NOT EXISTS"
        " (SELECT 1 FROM delivery d WHERE d.message = m.id AND d.finished_at > :sent) END"
        f" AND NOT {MESSAGE_WAITS.format(id='m.id')}"
        " FROM content c JOIN message m ON m.id = c.message"
        " WHERE c.message > :after AND c.message < :end ORDER BY c.message LIMIT :limit",
        {
            "received": received_before.timestamp(), "sent": sent_before.timestamp(),
            "after": after, "end": first_id(max(sent_before, received_before)), "limit": limit,
        },
    ).fetchall()  # fmt: skip
    looked = _up_to(rows, most_bytes)
    old = [(message, size_bytes) for message, size_bytes, is_old in looked if is_old]
    db.executemany("DELETE FROM content WHERE message = ?", [one[:1] for one in old])
    is_last = len(looked) == len(rows) < limit
    return Step(
        removed=len(old),
        size_bytes=sum(size_bytes for _, size_bytes in old),
        next_after=None if is_last else looked[-1][0],
    )


def remove_journal(db: Db, *, after: int, before: datetime, limit: int = 1000) -> Step[int]:
    """Remove journal rows older than `before` with numbers above `after`, and their index.

    The newest row always stays: numbers are never given twice.
    """
    rows = db.execute(
        f"SELECT j.number, j.at, {MESSAGE_WAITS.format(id='j.message')} FROM journal j"
        " WHERE j.number > ? AND j.number < (SELECT max(number) FROM journal)"
        " ORDER BY j.number LIMIT ?",
        (after, limit),
    ).fetchall()
    aged = [row for row in rows if row[1] <= before.timestamp()]
    old = [(number,) for number, _, waits in aged if not waits]
    db.executemany("DELETE FROM journal WHERE number = ?", old)
    if db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'found'").fetchone():
        db.executemany("DELETE FROM found WHERE rowid = ?", old)
    next_after = aged[-1][0] if len(aged) == limit else None
    return Step(removed=len(old), next_after=next_after)


def shrink(db: Db, *, pages: int = 500) -> bool:
    """Give at most `pages` free pages back to the disk; True when there are more to give."""
    if db.execute("PRAGMA freelist_count").fetchone()[0] <= LEFT_FREE_PAGES:
        return False
    db.execute(f"PRAGMA incremental_vacuum({int(pages)})").fetchall()
    return bool(db.execute("PRAGMA freelist_count").fetchone()[0] > LEFT_FREE_PAGES)


def _up_to(rows: list[Row], most_bytes: int) -> list[Row]:
    """Return the first rows, at least one, whose old content has `most_bytes` together."""
    total = 0
    for number, (_, size_bytes, is_old) in enumerate(rows):
        total += size_bytes if is_old else 0
        if total >= most_bytes:
            return rows[: number + 1]
    return rows
