"""The health of mailboxes, as last known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.store.sqlite import Db


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxState:
    """What is known of a mailbox; `evidence` is JSON of `mailbox.health`."""

    address: str
    state: str  # ok | suspect | dead
    since: datetime
    reason: str | None = None
    fix: str | None = None
    last_fetched_at: datetime | None = None
    paused: bool = False
    evidence: str = "[]"


def mailbox_state(db: Db, address: str) -> MailboxState | None:
    """Return what is known of a mailbox, None when it was never tried."""
    return next(iter(_states(db, "WHERE address = ?", (address,))), None)


def mailbox_states(db: Db) -> dict[str, MailboxState]:
    """Return what is known of every mailbox."""
    return {one.address: one for one in _states(db, "", ())}


def dead_mailboxes(db: Db) -> list[MailboxState]:
    """Return the mailboxes whose sign-in is refused for good."""
    return list(_states(db, "WHERE state = 'dead'", ()))


def save_mailbox_state(db: Db, state: MailboxState) -> None:
    """Keep a mailbox's health; its pause is a person's and stays as it is."""
    db.execute(
        "INSERT INTO mailbox_states (address, state, reason, fix, since, last_fetched_at,"
        " paused, evidence) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (address) DO UPDATE SET"
        " state = excluded.state, reason = excluded.reason, fix = excluded.fix,"
        " since = excluded.since, evidence = excluded.evidence,"
        " last_fetched_at = coalesce(excluded.last_fetched_at, last_fetched_at)",
        (
            state.address, state.state, state.reason, state.fix, state.since.timestamp(),
            state.last_fetched_at.timestamp() if state.last_fetched_at else None,
            int(state.paused), state.evidence,
        ),
    )  # fmt: skip


def set_paused(db: Db, address: str, *, paused: bool, now: datetime) -> None:
    """Pause a mailbox as a person, or end that."""
    db.execute(
        "INSERT INTO mailbox_states (address, state, reason, since, paused)"
        " VALUES (?,'suspect','It was not tried yet.',?,?)"
        " ON CONFLICT (address) DO UPDATE SET paused = excluded.paused",
        (address, now.timestamp(), int(paused)),
    )


def revive(db: Db, address: str, *, reason: str, now: datetime) -> bool:
    """Have a dead sign-in tried anew; False when it was not dead."""
    changed = db.execute(
        "UPDATE mailbox_states SET state = 'suspect', reason = ?, fix = NULL, since = ?,"
        " evidence = '[]' WHERE address = ? AND state = 'dead'",
        (reason, now.timestamp(), address),
    )
    return bool(changed.rowcount)


def _states(db: Db, where: str, values: tuple[str, ...]) -> list[MailboxState]:
    rows = db.execute(
        "SELECT address, state, since, reason, fix, last_fetched_at, paused, evidence"
        f" FROM mailbox_states {where} ORDER BY address",
        values,
    )
    return [
        MailboxState(
            address=row[0],
            state=row[1],
            since=datetime.fromtimestamp(row[2], UTC),
            reason=row[3],
            fix=row[4],
            last_fetched_at=datetime.fromtimestamp(row[5], UTC) if row[5] is not None else None,
            paused=bool(row[6]),
            evidence=row[7],
        )
        for row in rows
    ]
