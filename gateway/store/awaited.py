"""Sent mail whose copy is awaited in the mailbox's folder for sent mail: it tells an id.

What is awaited is stored with the delivery, so that no end of ours forgets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.store.sqlite import Db

AWAITED_FOR = timedelta(days=3)  # then the provider kept none, or a person removed it
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A sent mail and the Message-ID that it left us with."""

    message: str  # our id
    message_id: str


def await_copy(db: Db, *, mailbox: str, message: str, message_id: str, now: datetime) -> None:
    """Remember that a mail has left by a mailbox's own account."""
    db.execute(
        "INSERT OR IGNORE INTO awaited_copies (mailbox, message, message_id, since)"
        " VALUES (?,?,?,?)",
        (mailbox, message, message_id, now.timestamp()),
    )


def find_awaited(db: Db, mailbox: str) -> list[Awaited]:
    """Return the newest mails whose copies are awaited in a mailbox."""
    query = (
        "SELECT message, message_id FROM awaited_copies WHERE mailbox = ?"
        f" ORDER BY message DESC LIMIT {MOST_AT_ONCE}"
    )
    rows = db.execute(query, (mailbox,))
    return [Awaited(message=row[0], message_id=row[1]) for row in rows]


def end_wait(db: Db, mailbox: str, message: str) -> None:
    """Forget a mail whose copy was found."""
    db.execute(
        "DELETE FROM awaited_copies WHERE mailbox = ? AND message = ?", (mailbox, message)
    )


def give_up(db: Db, *, now: datetime) -> None:
    """Forget the mails whose copies did not come."""
    before = (now - AWAITED_FOR).timestamp()
    db.execute("DELETE FROM awaited_copies WHERE since <= ?", (before,))


def forget(db: Db, mailbox: str) -> None:
    """Await nothing more in a mailbox."""
    db.execute("DELETE FROM awaited_copies WHERE mailbox = ?", (mailbox,))
