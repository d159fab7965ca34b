"""What was being sent when its session, or the whole process, came to an end.

It is queued again, and the journal tells that perhaps it was delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.mail.delivery import Batch, Lane
from gateway.store import journal
from gateway.store.sqlite import Db

UNCLAIM = (
    "UPDATE delivery SET state = 'queued', token = NULL, owner = NULL, lease_until = NULL"
    " WHERE state = 'claimed'"
)
OF_OWNER = "substr(owner, 1, ?) = ?"
MANY = 10  # times in a row: perhaps this very mail is why
FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
REASON = "the gateway ended, or failed, each of the last times that it was being sent"


def cut_short(db: Db, batches: Sequence[Batch], *, now: datetime) -> None:
    """Queue again what was being sent, and have the journal tell that: perhaps it was."""
    for batch in batches:
        _interrupt(db, "token = ?", (batch.token,), now=now)


def take_back(db: Db, *, owner_prefix: str, now: datetime) -> int:
    """Queue again what an earlier life of this process was sending; return how many.

    The journal tells it of each recipient: perhaps the message was delivered.
    """
    return _interrupt(db, OF_OWNER, (len(owner_prefix), owner_prefix), now=now)


def take_over_expired(db: Db, lane: Lane, *, now: datetime) -> None:
    """A lease that has run out belongs to nobody: its delivery is due again."""
    expired = "lease_until < ? AND tenant = ? AND lane_kind = ? AND lane = ?"
    values = (now.timestamp(), lane.tenant, lane.kind.value, lane.name)
    _interrupt(db, expired, values, now=now)


def _interrupt(db: Db, where: str, values: tuple[object, ...], *, now: datetime) -> int:
    """Queue again what was being sent; what ends the process again and again rests ever longer,
    so that it does not keep all others from leaving."""
    rows = db.execute(
        "SELECT number, message, recipient, lane_kind || '/' || lane, interruptions + 1"
        f" FROM delivery WHERE state = 'claimed' AND {where}",
        values,
    ).fetchall()
    for number, message, recipient, lane, count in rows:
        rests_until = now + _rest_after(count) if count >= MANY else None
        journal.write(
            db, message, "delivery.interrupted", now=now, recipient=recipient, lane=lane,
            perhaps_delivered=True, next_attempt_at=rests_until,
        )  # fmt: skip
        rest: tuple[object, ...] = (None, None, None)
        if rests_until is not None:
            fix = f"see the log of that time; gateway queue hold {message} keeps it back"
            rest = (rests_until.timestamp(), REASON, fix)
        db.execute(
            "UPDATE delivery SET interruptions = ?, next_attempt_at = coalesce(?,"
            " next_attempt_at), reason = coalesce(?, reason), fix = coalesce(?, fix)"
            " WHERE number = ?",
            (count, *rest, number),
        )
    if rows:
        db.execute(f"{UNCLAIM} AND {where}", values)
    return len(rows)


def _rest_after(count: int) -> timedelta:
    return min(FIRST_REST * 2.0 ** min(count - MANY, 10), LONGEST_REST)
