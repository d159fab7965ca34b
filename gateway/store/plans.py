"""What the policies decided of each message, and their trace: of both directions."""

from __future__ import annotations

from datetime import datetime

from gateway.mail.plan import Plan
from gateway.store import journal, rows
from gateway.store.sqlite import Db


def store(db: Db, message: str, plan: Plan, *, now: datetime) -> None:
    """Keep the Plan of a submission, in the transaction that accepts it."""
    db.execute("INSERT INTO plans (message, plan) VALUES (?, ?)", (message, rows.write(plan)))
    journal.write(db, message, "message.planned", now=now, **summary(plan))


def load(db: Db, message: str) -> Plan | None:
    """Return the Plan of a fetched or submitted message, None when no policy ran on it."""
    row = db.execute(
        "SELECT plan FROM plans WHERE message = ?1 UNION ALL"
        " SELECT plan FROM inbox WHERE message = ?1 AND plan IS NOT NULL",
        (message,),
    ).fetchone()
    return rows.read(Plan, row[0]) if row else None


def summary(plan: Plan) -> dict[str, object]:
    """Return what the journal keeps of a Plan."""
    return {
        "effects": [
            f"{one.kind.value} {one.target}".strip()
            + (f" ({one.file}:{one.line})" if one.file else "")
            for one in plan.effects
        ],
        "version": plan.version,
        "errors": list(plan.errors) or None,
    }
