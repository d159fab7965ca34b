"""Time that counts: whether what waits could be tried, and what waited too long for a chance.

A delivery that could be tried has `sendable_since`, from which the give-up clock runs; one
that could not (no upstream, a paused way out) has `stalled_since` instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gateway.mail.delivery import Lane, LaneKind, Verdict
from gateway.store import journal
from gateway.store.capturing import CAPTURED, CAPTURED_FIX
from gateway.store.lanes import is_paused
from gateway.store.sqlite import Db

DAY = timedelta(days=1)
STALE_REASON = "it could not be tried for "
ASIDE_REASON = "set aside: "  # a final no, or too long without a yes, of what never bounces
STALE = (
    "FROM delivery d LEFT JOIN lanes l ON l.tenant = d.tenant AND l.kind = d.lane_kind"
    " AND l.name = d.lane AND l.paused_by IS NOT NULL WHERE d.stalled_since <= ?"
    " AND d.state IN ('queued', 'deferred')"
    " AND (d.lane = '' OR l.paused_by IS NOT NULL)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Which clock of a queued delivery runs, as seconds since 1970; the other one is None."""

    sendable_since: float | None
    stalled_since: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What of a lane is held for a cause: its first message, and how many recipients."""

    message: str
    lane: Lane
    recipients: int
    reason: str


def clocks(db: Db, lane: Lane, *, now: datetime) -> Clocks:
    """Return the clock that runs for what is queued in a lane from `now`."""
    if not lane.name or is_paused(db, lane, now=now):
        return Clocks(sendable_since=None, stalled_since=now.timestamp())
    return Clocks(sendable_since=now.timestamp(), stalled_since=None)


def why_waiting(lane: Lane, header_from: str) -> tuple[str | None, str | None]:
    """Return why what is queued in a lane does not leave, and what a person can do."""
    if not lane.name:
        fix = f"add an upstream to the sender {header_from} of tenant {lane.tenant}"
        return "its sender has no upstream", fix
    if lane.kind is LaneKind.CAPTURE:
        return CAPTURED, CAPTURED_FIX
    return None, None


def why_scheduled(message: str, until: datetime) -> tuple[str, str]:
    """Return why what has an hour to leave at waits, and what a person can do."""
    fix = f"gateway queue retry {message} sends it now, queue delete cancels it"
    return f"it is scheduled for {until.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}", fix


def hour_to_come(db: Db, message: str | None, *, now: datetime) -> datetime | None:
    """Return before when a message must not leave (RFC 4865 §4); None: it may.

    What was tried was sent by a person's word, its hour counts no more.
    """
    row = db.execute(
        "SELECT json_extract(envelope, '$.hold_until') FROM message WHERE id = ? AND NOT EXISTS"
        " (SELECT 1 FROM delivery WHERE message = message.id AND attempts > 0)",
        (message,),
    ).fetchone()
    if row is None or row[0] is None or row[0] <= now.timestamp():
        return None
    return datetime.fromtimestamp(row[0], UTC)


def begin_scheduled(db: Db, *, now: datetime) -> int:
    """Queue what was scheduled for a time that has come; return how many recipients."""
    rows = db.execute(
        "SELECT DISTINCT d.message, d.tenant, d.lane_kind, d.lane, m.header_from"
        " FROM delivery d JOIN message m ON m.id = d.message"
        " WHERE d.state = 'scheduled' AND d.next_attempt_at <= ?",
        (now.timestamp(),),
    ).fetchall()
    begun = 0
    for message, tenant, kind, name, header_from in rows:
        lane = Lane(tenant, LaneKind(kind), name)
        clock = clocks(db, lane, now=now)
        changed = db.execute(
            "UPDATE delivery SET state = 'queued', sendable_since = ?, stalled_since = ?,"
            " reason = ?, fix = ? WHERE message = ? AND state = 'scheduled'",
            (
                clock.sendable_since, clock.stalled_since,
                *why_waiting(lane, header_from), message,
            ),
        )  # fmt: skip
        begun += changed.rowcount
    return begun


def hold_stale(
    db: Db, *, stale_after: timedelta, now: datetime, limit: int = 500
) -> list[Held]:
    """Hold at most `limit` messages that could not be tried for so long; return them.

    They leave only when a person releases them: after days of waiting nobody may be glad
    of a mail that suddenly goes.
    """
    rows = db.execute(
        "SELECT d.message, d.tenant, d.lane_kind, d.lane, count(*),"
        f" coalesce(l.reason, d.reason) {STALE} GROUP BY d.message LIMIT ?",
        ((now - stale_after).timestamp(), limit),
    ).fetchall()
    return [_hold(db, row, stale_after=stale_after, now=now) for row in rows]


def held_stale(db: Db) -> list[Held]:
    """Return what is held because it waited too long, by lane."""
    return _held_for(db, STALE_REASON)


def held_aside(db: Db) -> list[Held]:
    """Return what a route, a hook or a folder for sent mail did not take, by lane."""
    return _held_for(db, ASIDE_REASON)


def held_fix(id_: str) -> str:
    """Return what a person can do about a held message."""
    return f"gateway queue release {id_} lets it go on, gateway queue delete {id_} removes it"


def put_aside(verdict: Verdict, message: str) -> Verdict:
    """Say that it is set aside, and what has it tried again once a person mended the rest."""
    fix = held_fix(message)
    if verdict.fix:
        fix = f"{verdict.fix.rstrip('.')}; then: gateway queue release {message}"
    return replace(verdict, meaning=f"{ASIDE_REASON}{verdict.meaning}", fix=fix)


def release_all(lane: Lane) -> str:
    """Return the command that lets go what is set aside in a lane."""
    return f"gateway queue release --tenant {lane.tenant} --way {lane.name}"


def _held_for(db: Db, cause: str) -> list[Held]:
    found = db.execute(
        "SELECT min(message), tenant, lane_kind, lane, count(*), min(reason) FROM delivery"
        " WHERE state = 'held' AND substr(reason, 1, ?) = ? GROUP BY tenant, lane_kind, lane",
        (len(cause), cause),
    )
    return [
        Held(
            message=message,
            lane=Lane(tenant, LaneKind(kind), name),
            recipients=recipients,
            reason=reason,
        )
        for message, tenant, kind, name, recipients, reason in found
    ]


def _hold(
    db: Db,
    row: tuple[str, str, str, str, int, str | None],
    *,
    stale_after: timedelta,
    now: datetime,
) -> Held:
    message, tenant, kind, name, recipients, cause = row
    reason = f"{STALE_REASON}{_for_people(stale_after)}"
    reason = f"{reason}: {cause}" if cause else reason
    fix = f"mend that, then gateway queue release {message}"
    db.execute(
        "UPDATE delivery SET state = 'held', next_attempt_at = NULL, stalled_since = NULL,"
        " reason = ?, fix = ? WHERE number IN"
        f" (SELECT d.number {STALE} AND d.message = ?)",
        (reason, fix, (now - stale_after).timestamp(), message),
    )
    journal.write(
        db, message, "delivery.stale", now=now, recipients=recipients, meaning=reason, fix=fix
    )
    lane = Lane(tenant, LaneKind(kind), name)
    return Held(message=message, lane=lane, recipients=recipients, reason=reason)


def _for_people(length: timedelta) -> str:
    """`7 days`, `90 minutes`: the largest unit that says it in a whole number."""
    for unit, one in (("day", DAY), ("hour", timedelta(hours=1))):
        if length >= one and length % one == timedelta():
            count = length // one
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{length // timedelta(minutes=1)} minutes"
