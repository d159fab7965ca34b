"""What still needs a thing that is to be removed; with `force` that mail is held."""

from __future__ import annotations

from datetime import datetime

from gateway.mail.delivery import Lane, LaneKind
from gateway.store import awaited, buyers, codes, folders, inbox, journal
from gateway.store.errors import Conflict
from gateway.store.sqlite import Db

WAITS = "state IN ('scheduled', 'queued', 'claimed', 'deferred')"
IN_LANE = f"tenant = ? AND lane_kind = ? AND lane = ? AND {WAITS}"
REMOVED = "its mailbox was removed"
NO_WAY = "its way out was removed"


def own_lanes(db: Db, tenant: str, address: str) -> list[Lane]:
    """Return the lanes that sign in by a mailbox's own secret, that of copies too."""
    rows = db.execute(
        "SELECT name FROM tenant_items WHERE tenant = ? AND kind = 'upstream'"
        " AND json_extract(settings, '$.mailbox') = ? ORDER BY name",
        (tenant, address),
    )
    names = (address, *(row[0] for row in rows))
    sending = [Lane(tenant, LaneKind.UPSTREAM, name) for name in names]
    return [*sending, Lane(tenant, LaneKind.SENT, address)]


def free_lane(db: Db, lane: Lane, *, force: bool, now: datetime) -> None:
    """Hold what waits in a lane with `force`; else raise Conflict if anything does."""
    waiting = _waiting_in(db, lane)
    if waiting and not force:
        what = f"the {lane.kind} {lane.name}" if lane.name else "its senders"
        waits = "1 delivery still waits" if waiting == 1 else f"{waiting} deliveries still wait"
        raise Conflict(f"{waits} for {what}; --force holds what waits")
    _hold_lane(db, lane, now=now)


def free_mailbox(db: Db, tenant: str, address: str, *, force: bool, now: datetime) -> None:
    """Forget where fetching stands in a mailbox and how it is, once no mail needs it.

    What was fetched and is not done with, and what waits to leave by its own account, is
    held with `force`; else Conflict is raised with the counts.
    """
    lanes = own_lanes(db, tenant, address)
    waiting = sum(_waiting_in(db, lane) for lane in lanes)
    unfinished = _unfinished_of(db, address)
    if (waiting or unfinished) and not force:
        raise Conflict(
            f"fetched from {address} and not done with: {len(unfinished)}, waiting to leave by"
            f" it: {waiting}; --force holds them"
        )
    for lane in lanes:
        _hold_lane(db, lane, now=now)
    for message in unfinished:
        inbox.finish(db, message, "held", rule=REMOVED, now=now)
    folders.forget(db, address)
    db.execute("DELETE FROM mailbox_states WHERE address = ?", (address,))
    db.execute("DELETE FROM reminders WHERE about = ?", (address,))
    awaited.forget(db, address)
    buyers.forget(db, address)
    codes.drop_candidate(db, tenant, address)


def hold_lost(db: Db, *, now: datetime) -> int:
    """Hold what waits for a way that was removed while that was being sent, or accepted; return
    how many ways that were.

    Such a way has no account, so it is paused: nothing else would end that.
    """
    rows = db.execute(
        "SELECT l.tenant, l.kind, l.name FROM lanes l JOIN tenants t ON t.id = l.tenant"
        " WHERE l.paused_by = 'sign-in' AND l.kind <> 'capture' AND NOT EXISTS"
        " (SELECT 1 FROM tenant_items i WHERE i.tenant = l.tenant AND i.name = l.name"
        " AND (i.kind = l.kind OR (i.kind = 'mailbox' AND l.kind IN ('upstream', 'sent'))))"
    ).fetchall()
    for tenant, kind, name in rows:
        _hold_lane(db, Lane(tenant, LaneKind(kind), name), now=now)
    return len(rows)


def _waiting_in(db: Db, lane: Lane) -> int:
    query = f"SELECT count(*) FROM delivery WHERE {IN_LANE}"
    return int(db.execute(query, _key(lane)).fetchone()[0])


def _hold_lane(db: Db, lane: Lane, *, now: datetime) -> None:
    """Hold what waits in a lane that is removed, for a person to release, and forget the lane.

    What left by an upstream, held before or now, waits without one from now on, as its
    sender's mail does: the one that the sender is given takes it.
    """
    is_of_sender = lane.kind in (LaneKind.UPSTREAM, LaneKind.NONE)
    to = Lane(lane.tenant, LaneKind.NONE, "") if is_of_sender else lane
    step = "give its sender an upstream" if is_of_sender else f"add the {lane.kind} again"
    rows = db.execute(
        f"SELECT message, count(*) FROM delivery WHERE {IN_LANE} AND state <> 'claimed'"
        " GROUP BY message",
        _key(lane),
    ).fetchall()
    for message, count in rows:
        fix = f"{step}, then gateway queue release {message}"
        db.execute(
            "UPDATE delivery SET state = 'held', next_attempt_at = NULL, stalled_since = NULL,"
            " sendable_seconds = sendable_seconds + coalesce(max(0, ? - sendable_since), 0),"
            " sendable_since = NULL, reason = ?, fix = ?, lane_kind = ?, lane = ?"
            f" WHERE {IN_LANE} AND state <> 'claimed' AND message = ?",
            (now.timestamp(), NO_WAY, fix, to.kind.value, to.name, *_key(lane), message),
        )
        journal.write(
            db, message, "delivery.held", now=now, recipients=count,
            lane=f"{lane.kind}/{lane.name}", meaning=NO_WAY, fix=fix,
        )  # fmt: skip
    db.execute(
        "UPDATE delivery SET lane_kind = ?, lane = ? WHERE tenant = ? AND lane_kind = ?"
        " AND lane = ? AND state = 'held'",
        (to.kind.value, to.name, *_key(lane)),
    )
    db.execute("DELETE FROM lanes WHERE tenant = ? AND kind = ? AND name = ?", _key(lane))


def _unfinished_of(db: Db, address: str) -> list[str]:
    query = "SELECT message FROM inbox WHERE mailbox = ? AND state IN ('fetched', 'planned')"
    return [row[0] for row in db.execute(query, (address,))]


def _key(lane: Lane) -> tuple[str, str, str]:
    return lane.tenant, lane.kind.value, lane.name
