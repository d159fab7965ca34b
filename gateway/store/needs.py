"""What still needs a thing that is to be removed; with `force` that mail is held."""

from __future__ import annotations

from datetime import datetime

from gateway.mail.delivery import Lane, LaneKind
from gateway.store import awaited, buyers, codes, inbox
from gateway.store.errors import Conflict
from gateway.store.sqlite import Db

WAITS = "state IN ('scheduled', 'queued', 'claimed', 'deferred')"
IN_LANE = f"tenant = ? AND lane_kind = ? AND lane = ? AND {WAITS}"
REMOVED = "its mailbox was removed"


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


def free_lane(db: Db, lane: Lane, *, force: bool) -> None:
    """Hold what waits in a lane with `force`; else raise Conflict if anything does."""
    waiting = _waiting_in(db, lane)
    if waiting and not force:
        what = f"the {lane.kind} {lane.name}" if lane.name else "its senders"
        raise Conflict(f"{waiting} deliveries still wait for {what}; --force holds them")
    _hold_lane(db, lane)


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
            f"{len(unfinished)} messages that were fetched from {address} are not done with,"
            f" {waiting} deliveries wait to leave by it; --force holds them"
        )
    for lane in lanes:
        _hold_lane(db, lane)
    for message in unfinished:
        inbox.finish(db, message, "held", rule=REMOVED, now=now)
    db.execute("DELETE FROM folders WHERE mailbox = ?", (address,))
    db.execute("DELETE FROM open_uids WHERE mailbox = ?", (address,))
    db.execute("DELETE FROM mailbox_states WHERE address = ?", (address,))
    db.execute("DELETE FROM reminders WHERE about = ?", (address,))
    awaited.forget(db, address)
    buyers.forget(db, address)
    codes.drop_candidate(db, tenant, address)


def _waiting_in(db: Db, lane: Lane) -> int:
    query = f"SELECT count(*) FROM delivery WHERE {IN_LANE}"
    return int(db.execute(query, _key(lane)).fetchone()[0])


def _hold_lane(db: Db, lane: Lane) -> None:
    db.execute(
        "UPDATE delivery SET state = 'held', next_attempt_at = NULL, sendable_since = NULL,"
        f" reason = 'its way out was removed', fix = NULL WHERE {IN_LANE}"
        " AND state <> 'claimed'",
        _key(lane),
    )


def _unfinished_of(db: Db, address: str) -> list[str]:
    query = "SELECT message FROM inbox WHERE mailbox = ? AND state IN ('fetched', 'planned')"
    return [row[0] for row in db.execute(query, (address,))]


def _key(lane: Lane) -> tuple[str, str, str]:
    return lane.tenant, lane.kind.value, lane.name
