"""Troubles as they are known, and the alerts that wait: a durable queue of their own.

What a look changed and the alerts that tell of it are one transaction, so a crash neither
loses an alert nor makes a second one of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.mail.trouble import Alert, KnownTrouble, Trouble, TroubleChanges
from gateway.store import marks, rows
from gateway.store.sqlite import Db

SENT, FAILED = "alerts.sent", "alerts.failed"
NOTICES_AN_HOUR, HOUR = 20, timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCounts:
    """How many alerts wait, were sent, and were given up."""

    waiting: int = 0
    sent: int = 0
    failed: int = 0


def known_troubles(db: Db) -> dict[str, KnownTrouble]:
    """Return every trouble that was ever seen, by its cause."""
    found = db.execute("SELECT cause, trouble, is_open, is_told, told_at FROM troubles")
    return {
        row[0]: KnownTrouble(
            trouble=rows.read(Trouble, row[1]),
            is_open=bool(row[2]),
            is_told=bool(row[3]),
            told_at=_time(row[4]),
        )
        for row in found
    }


def keep_changes(
    db: Db, changes: TroubleChanges, alerts: Sequence[Alert], *, now: datetime
) -> None:
    """Keep what a look found, and queue the alerts that tell of it."""
    db.executemany(
        "INSERT INTO troubles (cause, trouble, is_open, is_told) VALUES (?,?,1,0)"
        " ON CONFLICT (cause) DO UPDATE SET trouble = excluded.trouble, is_open = 1,"
        " is_told = 0",
        [(one.cause, rows.write(one)) for one in changes.begun],
    )
    db.executemany(
        "UPDATE troubles SET is_told = 1, told_at = ? WHERE cause = ?",
        [(now.timestamp(), one.cause) for one in changes.told],
    )
    db.executemany(
        "UPDATE troubles SET is_open = 0 WHERE cause = ?",
        [(one.trouble.cause,) for one in changes.ended],
    )
    queue(db, alerts)


def queue(db: Db, alerts: Sequence[Alert]) -> None:
    """Keep mails that tell a person something; each is due at once."""
    db.executemany(
        "INSERT INTO alerts (message_id, cause, recipient, content, queued_at,"
        " next_attempt_at) VALUES (?,?,?,?,?,?)",
        [
            (
                one.message_id, one.cause, one.recipient, one.content,
                one.queued_at.timestamp(), one.queued_at.timestamp(),
            )
            for one in alerts
        ],
    )  # fmt: skip


def find_room(db: Db, tenant: str, notices: Sequence[Alert], *, now: datetime) -> list[Alert]:
    """Return what of `notices` may be told: nobody gets more than 20 of a tenant in an hour."""
    room: dict[str, int] = {}
    told = []
    for one in notices:
        if one.recipient not in room:
            had = marks.count(db, _mark_of(tenant, one), since=now - HOUR)
            room[one.recipient] = NOTICES_AN_HOUR - had
        if room[one.recipient] > 0:
            room[one.recipient] -= 1
            told.append(one)
    return told


def queue_notices(db: Db, tenant: str, notices: Sequence[Alert], *, now: datetime) -> int:
    """Queue what policies have people told, as far as there is room; return how many."""
    told = find_room(db, tenant, notices, now=now)
    queue(db, told)
    marks.add(db, [_mark_of(tenant, one) for one in told], now=now)
    return len(told)


def due_alerts(db: Db, *, now: datetime) -> list[Alert]:
    """Return the alerts whose time has come, oldest first."""
    return _alerts(db, "WHERE next_attempt_at <= ?", (now.timestamp(),))


def waiting_alerts(db: Db) -> list[Alert]:
    """Return every alert that waits, oldest first."""
    return _alerts(db, "", ())


def finish_alert(db: Db, alert: Alert, *, outcome: str) -> None:
    """Take an alert off the queue: outcome SENT or FAILED."""
    gone = db.execute("DELETE FROM alerts WHERE message_id = ?", (alert.message_id,))
    if gone.rowcount:
        db.execute(
            "INSERT INTO counters (name, value) VALUES (?, 1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + 1",
            (outcome,),
        )


def defer_alert(db: Db, alert: Alert, *, reply: str, next_attempt_at: datetime) -> None:
    """Let an alert wait for its next try."""
    db.execute(
        "UPDATE alerts SET attempts = attempts + 1, last_reply = ?, next_attempt_at = ?"
        " WHERE message_id = ?",
        (reply, next_attempt_at.timestamp(), alert.message_id),
    )


def hurry_alerts(db: Db, *, now: datetime) -> int:
    """Make every alert that waits due: the path works again; return how many."""
    moved = db.execute("UPDATE alerts SET next_attempt_at = ?", (now.timestamp(),))
    return moved.rowcount


def count_alerts(db: Db) -> AlertCounts:
    """Return the counts of this moment."""
    waiting = db.execute("SELECT count(*) FROM alerts").fetchone()[0]
    query = "SELECT name, value FROM counters WHERE name IN (?, ?)"
    ended = dict(db.execute(query, (SENT, FAILED)).fetchall())
    return AlertCounts(waiting=waiting, sent=ended.get(SENT, 0), failed=ended.get(FAILED, 0))


def _mark_of(tenant: str, notice: Alert) -> marks.Mark:
    return marks.Mark(tenant=tenant, kind="notice", handle="", key=notice.recipient)


def _alerts(db: Db, where: str, values: tuple[Any, ...]) -> list[Alert]:
    found = db.execute(
        "SELECT message_id, cause, recipient, content, queued_at, attempts, last_reply"
        f" FROM alerts {where} ORDER BY queued_at, message_id",
        values,
    )
    return [
        Alert(
            message_id=row[0],
            cause=row[1],
            recipient=row[2],
            content=row[3],
            queued_at=datetime.fromtimestamp(row[4], UTC),
            attempts=row[5],
            last_reply=row[6],
        )
        for row in found
    ]


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
