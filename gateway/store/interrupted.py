"""What was being sent when its session, or the whole process, came to an end.

It is queued again, and the journal tells that perhaps it was delivered. So is what a fault of
ours kept from being sent: that rests before, so that it is not for ever at our hands.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from gateway.mail.delivery import Batch, Lane
from gateway.store import journal
from gateway.store.sqlite import Db

UNCLAIM = (
    "UPDATE delivery SET state = 'queued', token = NULL, owner = NULL, lease_until = NULL"
    " WHERE state = 'claimed'"
)
NOT_SPARED = "token NOT IN (SELECT value FROM json_each(?))"
OF_OWNER = "substr(owner, 1, ?) = ?"
MANY = 10  # times in a row: perhaps this very mail is why
FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)
PERHAPS_SENT = timedelta(minutes=15)  # before what was perhaps delivered is sent again
REASON = "the gateway ended, or failed, each of the last times that it was being sent"
FAULT = "a fault of the gateway kept it from being sent; its log has more"


def cut_short(db: Db, batches: Sequence[Batch], *, now: datetime) -> None:
    """Queue again what was being sent, and have the journal tell that: perhaps it was.

    It does not count: that we were stopped was no fault of the mail.
    """
    for batch in batches:
        _interrupt(db, "token = ?", (batch.token,), counts=False, now=now)


def take_back(db: Db, *, owner_prefix: str, now: datetime) -> int:
    """Queue again what an earlier life of this process was sending; return how many.

    The journal tells it of each recipient: perhaps the message was delivered.
    """
    return _interrupt(db, OF_OWNER, (len(owner_prefix), owner_prefix), now=now)


def take_over_lost(db: Db, *, spared: Collection[str], now: datetime) -> int:
    """Take over every lease that has run out, in whatever lane; return how many deliveries.

    Where nothing else is due nobody claims: those of a server that had another name, as of a
    backup that another machine goes on with, would wait for the next mail of their lane.
    """
    expired = f"lease_until < ? AND {NOT_SPARED}"
    return _interrupt(db, expired, (now.timestamp(), json.dumps([*spared])), now=now)


def take_over_expired(db: Db, lane: Lane, *, spared: Collection[str], now: datetime) -> None:
    """A lease that has run out belongs to nobody, unless its token is `spared`: its delivery is
    due again."""
    expired = f"lease_until < ? AND tenant = ? AND lane_kind = ? AND lane = ? AND {NOT_SPARED}"
    kept = json.dumps([*spared])
    values = (now.timestamp(), lane.tenant, lane.kind.value, lane.name, kept)
    _interrupt(db, expired, values, now=now)


def set_back(db: Db, batch: Batch, *, perhaps: bool, now: datetime) -> None:
    """Queue again what a fault of ours kept back; it rests, longer after each in a row."""
    for number, message, recipient, lane, count in _claimed(db, "token = ?", (batch.token,)):
        rest = max(_rest_after(count - 1), PERHAPS_SENT if perhaps else FIRST_REST)
        journal.write(
            db, message, "delivery.interrupted", now=now, recipient=recipient, lane=lane,
            perhaps_delivered=perhaps or None, next_attempt_at=now + rest, meaning=FAULT,
        )  # fmt: skip
        _queue_again(db, number, message, count=count, rests_until=now + rest, reason=FAULT)


def _interrupt(
    db: Db, where: str, values: tuple[object, ...], *, counts: bool = True, now: datetime
) -> int:
    """Queue again what was being sent; what ends the process again and again rests ever longer,
    so that it does not keep all others from leaving."""
    rows = _claimed(db, where, values)
    for number, message, recipient, lane, with_this in rows:
        count = with_this if counts else with_this - 1
        rests_until = now + _rest_after(count - MANY) if count >= MANY else None
        journal.write(
            db, message, "delivery.interrupted", now=now, recipient=recipient, lane=lane,
            perhaps_delivered=True, next_attempt_at=rests_until,
        )  # fmt: skip
        _queue_again(db, number, message, count=count, rests_until=rests_until, reason=REASON)
    return len(rows)


def _claimed(
    db: Db, where: str, values: tuple[object, ...]
) -> list[tuple[int, str, str, str, int]]:
    """Return number, message, recipient, lane, and how often in a row with this time."""
    return db.execute(
        "SELECT number, message, recipient, lane_kind || '/' || lane, interruptions + 1"
        f" FROM delivery WHERE state = 'claimed' AND {where}",
        values,
    ).fetchall()


def _queue_again(
    db: Db, number: int, message: str, *, count: int, rests_until: datetime | None, reason: str
) -> None:
    rest: tuple[object, ...] = (None, None, None)
    if rests_until is not None:
        fix = f"see the log of that time; gateway queue hold {message} keeps it back"
        rest = (rests_until.timestamp(), reason, fix)
    db.execute(
        "UPDATE delivery SET interruptions = ?, next_attempt_at = coalesce(?,"
        " next_attempt_at), reason = coalesce(?, reason), fix = coalesce(?, fix)"
        " WHERE number = ?",
        (count, *rest, number),
    )
    db.execute(f"{UNCLAIM} AND number = ?", (number,))


def _rest_after(count: int) -> timedelta:
    return min(FIRST_REST * 2.0 ** min(max(count, 0), 10), LONGEST_REST)
