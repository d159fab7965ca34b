"""Lanes: which have something due, which are paused and why, and the rate that an upstream
has taught us."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.mail.delivery import Lane, LaneKind
from gateway.store.sqlite import Db

WAITS = "state IN ('queued', 'deferred', 'scheduled', 'claimed')"
DUE = "state IN ('queued', 'deferred', 'scheduled')"
NEXT_LANE = " UNION ALL ".join(  # the index is not used for all of (a, b, c) > (?, ?, ?)
    "SELECT * FROM (SELECT tenant, lane_kind, lane, next_attempt_at FROM delivery"
    f" WHERE {DUE} AND {where} ORDER BY tenant, lane_kind, lane, next_attempt_at LIMIT 1)"
    for where in (
        "tenant = ?1 AND lane_kind = ?2 AND lane > ?3",
        "tenant = ?1 AND lane_kind > ?2",
        "tenant > ?1",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """What is known of a lane beyond its settings."""

    lane: Lane
    paused_by: str | None  # sign-in | person | quota
    reason: str | None
    fix: str | None
    since: datetime | None
    until: datetime | None
    rate_per_minute: float | None
    refusals: int  # sign-ins refused in a row
    asked_at: datetime | None = None  # when a person last wanted a try at once
    rest_reason: str | None = None  # of an open one: why its server was not reached

    def is_closed(self, now: datetime) -> bool:
        """Whether nothing leaves by it now."""
        return self.paused_by is not None and (self.until is None or self.until > now)

    def is_shut(self, now: datetime) -> bool:
        """Whether people are to know that it is paused: a quota is over at its time, a refused
        sign-in only once one has worked."""
        is_over = self.until is not None and self.until <= now
        return self.paused_by is not None and not (self.paused_by == "quota" and is_over)


@dataclass(frozen=True, slots=True)
class DueLane:
    """A lane that is not paused and has something to send, at `next_at` the earliest."""

    lane: Lane
    next_at: datetime


def is_paused(db: Db, lane: Lane, *, now: datetime) -> bool:
    """Whether nothing leaves by this lane now."""
    row = db.execute(
        "SELECT until FROM lanes WHERE tenant = ? AND kind = ? AND name = ?"
        " AND paused_by IS NOT NULL",
        (lane.tenant, lane.kind.value, lane.name),
    ).fetchone()
    return row is not None and (row[0] is None or row[0] > now.timestamp())


def due_lanes(db: Db, *, now: datetime) -> list[DueLane]:
    """Return every lane with something waiting for its time, the unpaused ones alone.

    Walks the index from lane to lane, so the length of a queue costs nothing.
    """
    found: list[DueLane] = []
    at: tuple[str, str, str] = ("", "", "")
    while row := db.execute(NEXT_LANE, at).fetchone():
        at = row[:3]
        lane = Lane(row[0], LaneKind(row[1]), row[2])
        if lane.name and not is_paused(db, lane, now=now):
            found.append(DueLane(lane, datetime.fromtimestamp(row[3], UTC)))
    return found


def pause_lane(
    db: Db,
    lane: Lane,
    *,
    by: str,
    reason: str,
    fix: str | None,
    until: datetime | None = None,
    now: datetime,
) -> bool:
    """Let nothing leave by this lane, until a time or until it is resumed.

    The give-up clock of what waits in it stands still meanwhile. False: a person has paused
    it, and that stays.
    """
    changed = db.execute(
        "INSERT INTO lanes (tenant, kind, name, paused_by, reason, fix, since, until, refusals)"
        " VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (tenant, kind, name) DO UPDATE SET"
        " since = CASE WHEN paused_by IS NULL THEN excluded.since ELSE since END,"
        " paused_by = excluded.paused_by, reason = excluded.reason, fix = excluded.fix,"
        " until = excluded.until, refusals = refusals + excluded.refusals"
        " WHERE paused_by IS NOT 'person' OR excluded.paused_by = 'person'",
        (
            *_key(lane), by, reason, fix, now.timestamp(),
            until.timestamp() if until else None, int(by == "sign-in"),
        ),
    )  # fmt: skip
    db.execute(
        "UPDATE delivery SET sendable_seconds = sendable_seconds + max(0, ? - sendable_since),"
        " sendable_since = NULL, stalled_since = ? WHERE tenant = ? AND lane_kind = ?"
        f" AND lane = ? AND sendable_since IS NOT NULL AND {WAITS}",
        (now.timestamp(), now.timestamp(), *_key(lane)),
    )
    return changed.rowcount > 0


def resume_lane(db: Db, lane: Lane, *, now: datetime) -> int:
    """Open the lane: what waits in it is due at once; return how many deliveries.

    A lane that rests after failures is tried at once.
    """
    db.execute(
        "UPDATE lanes SET paused_by = NULL, reason = NULL, fix = NULL, since = NULL,"
        " until = NULL, refusals = 0, asked_at = ?, rest_reason = NULL, rest_fix = NULL"
        " WHERE tenant = ? AND kind = ? AND name = ?",
        (now.timestamp(), *_key(lane)),
    )
    in_lane = "tenant = ? AND lane_kind = ? AND lane = ? AND state IN"
    db.execute(
        "UPDATE delivery SET sendable_since = coalesce(sendable_since, ?), stalled_since = NULL"
        f" WHERE {in_lane} ('queued', 'deferred', 'claimed')",
        (now.timestamp(), *_key(lane)),
    )
    changed = db.execute(
        f"UPDATE delivery SET next_attempt_at = ? WHERE {in_lane} ('queued', 'deferred')",
        (now.timestamp(), *_key(lane)),
    )
    return changed.rowcount


def end_trial(db: Db, lane: Lane, *, now: datetime) -> bool:
    """Open a lane of which one message got through; False: a person has paused it since."""
    query = "SELECT paused_by FROM lanes WHERE tenant = ? AND kind = ? AND name = ?"
    if db.execute(query, _key(lane)).fetchone() == ("person",):
        return False
    resume_lane(db, lane, now=now)
    return True


def resume_refused(db: Db, lanes: Iterable[Lane], *, now: datetime) -> None:
    """Open each that is paused because nobody could sign in.

    What another setting of its account is good for is seen when it is tried.
    """
    for lane in lanes:
        query = "SELECT paused_by FROM lanes WHERE tenant = ? AND kind = ? AND name = ?"
        if db.execute(query, _key(lane)).fetchone() == ("sign-in",):
            resume_lane(db, lane, now=now)


def resume_way(db: Db, tenant: str, kind: str, name: str, *, now: datetime) -> None:
    """Open an upstream, route or hook, whoever paused it: it has a new secret."""
    for lane in lanes_of(tenant, kind, name):
        resume_lane(db, lane, now=now)


def set_rate(db: Db, lane: Lane, *, per_minute: float | None) -> None:
    """Keep the rate that the upstream taught us; None: as the preset says."""
    db.execute(
        "INSERT INTO lanes (tenant, kind, name, rate_per_minute) VALUES (?,?,?,?) ON CONFLICT"
        " (tenant, kind, name) DO UPDATE SET rate_per_minute = excluded.rate_per_minute",
        (*_key(lane), per_minute),
    )


def set_rest(db: Db, lane: Lane, *, reason: str | None, fix: str | None) -> None:
    """Keep why the lane rests after a failure to reach its server; None: it rests no more."""
    db.execute(
        "INSERT INTO lanes (tenant, kind, name, rest_reason, rest_fix) VALUES (?,?,?,?,?)"
        " ON CONFLICT (tenant, kind, name) DO UPDATE SET rest_reason = excluded.rest_reason,"
        " rest_fix = excluded.rest_fix",
        (*_key(lane), reason, fix),
    )


def ask(db: Db, lane: Lane, *, now: datetime) -> None:
    """Let a lane that rests after failures be tried at once; a paused one stays paused."""
    db.execute(
        "INSERT INTO lanes (tenant, kind, name, asked_at) VALUES (?,?,?,?) ON CONFLICT"
        " (tenant, kind, name) DO UPDATE SET asked_at = excluded.asked_at,"
        " rest_reason = NULL, rest_fix = NULL",
        (*_key(lane), now.timestamp()),
    )


def refused(db: Db) -> dict[Lane, LaneState]:
    """Return what is known of the lanes whose sign-in is refused."""
    return {one.lane: one for one in lane_states(db) if one.paused_by == "sign-in"}


def lane_states(db: Db, *, tenant: str | None = None) -> list[LaneState]:
    """Return every lane of which more is known than its settings."""
    rows = db.execute(
        "SELECT tenant, kind, name, paused_by, reason, fix, since, until, rate_per_minute,"
        " refusals, asked_at, rest_reason FROM lanes WHERE ? IS NULL OR tenant = ?"
        " ORDER BY tenant, kind, name",
        (tenant, tenant),
    )
    return [
        LaneState(
            lane=Lane(row[0], LaneKind(row[1]), row[2]),
            paused_by=row[3],
            reason=row[4],
            fix=row[5],
            since=_time(row[6]),
            until=_time(row[7]),
            rate_per_minute=row[8],
            refusals=row[9],
            asked_at=_time(row[10]),
            rest_reason=row[11],
        )
        for row in rows
    ]


def lanes_of(tenant: str, kind: str, name: str) -> list[Lane]:
    """Return the lanes that lead by it: what is captured takes an upstream's place."""
    kinds = [LaneKind(kind), *([LaneKind.CAPTURE] if kind == LaneKind.UPSTREAM else [])]
    return [Lane(tenant, one, name) for one in kinds]


def _key(lane: Lane) -> tuple[str, str, str]:
    return lane.tenant, lane.kind.value, lane.name


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
