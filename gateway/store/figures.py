"""What is measured for operators: counts of this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.store.books import WAITING
from gateway.store.sqlite import Db


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Deliveries, lanes and mailboxes by their state."""

    deliveries: dict[str, int]
    oldest_waiting_seconds: float
    lanes_paused: dict[str, int]
    mailboxes: dict[str, int]


def count(db: Db, *, now: datetime) -> Counts:
    """Return the counts of this moment."""
    oldest = db.execute(
        "SELECT min(m.accepted_at) FROM delivery d JOIN message m ON m.id = d.message"
        f" WHERE d.state IN {WAITING}"
    ).fetchone()[0]
    return Counts(
        deliveries=_by(db, f"SELECT state, count(*) FROM delivery WHERE state IN {WAITING}"),
        oldest_waiting_seconds=now.timestamp() - oldest if oldest is not None else 0.0,
        lanes_paused=_by(
            db, "SELECT paused_by, count(*) FROM lanes WHERE paused_by IS NOT NULL"
        ),
        mailboxes=_by(db, "SELECT state, count(*) FROM mailbox_states"),
    )


def _by(db: Db, query: str) -> dict[str, int]:
    return dict(db.execute(f"{query} GROUP BY 1").fetchall())
