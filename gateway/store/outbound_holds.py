"""Submitted mail that a policy holds: released, rejected or discarded by a person or in time.

A release is only written down here (`plans.ending`); the running server then judges the
message on, by the files behind the one that held it. Until that is kept it is still held.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.mail.delivery import Batch, Lane, LaneKind, Outgoing, State
from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.store import batch, journal, people, plans, queue, rows, waiting
from gateway.store.capturing import lane_now
from gateway.store.errors import Conflict
from gateway.store.following import lane_of_sender
from gateway.store.sqlite import Db

RELEASE, REJECT, DISCARD = "release", "reject", "discard"
GOES_ON = "it is released: the policies behind the one that held it judge it"
OWNER = "hold "
HELD = "EXISTS (SELECT 1 FROM delivery d WHERE d.message = p.message AND d.state = 'held')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A held message whose hold ends: as it was kept, by what it was held, how it goes on."""

    outgoing: Outgoing
    hold: Effect
    plan: Plan
    then: str  # release | reject | discard


def is_held(db: Db, id_: str) -> bool:
    """Whether a submission is held by a policy, and not by a person or for want of a way."""
    return _hold_of(db, id_) is not None


def release(db: Db, id_: str, *, event: str, now: datetime) -> int:
    """Have a held message judged on; return how many recipients. Raises Conflict."""
    return _begin_end(db, id_, RELEASE, event=event, now=now)


def due(db: Db, *, now: datetime) -> list[str]:
    """Return the messages whose time to be held is over."""
    query = (
        "SELECT DISTINCT d.message FROM delivery d JOIN plans p ON p.message = d.message"
        " WHERE d.state = 'held' AND d.next_attempt_at IS NOT NULL AND d.next_attempt_at <= ?"
        " AND p.ending IS NULL"
    )
    return [row[0] for row in db.execute(query, (now.timestamp(),))]


def end_due(db: Db, *, now: datetime) -> int:
    """Begin what `:then` says with each message whose time is over; return how many."""
    found = due(db, now=now)
    for id_ in found:
        held = _hold_of(db, id_)
        then = held[0].arguments.get("then") if held else None
        _begin_end(db, id_, str(then or RELEASE), event="hold.ended", now=now)
    return len(found)


def ending(db: Db) -> list[str]:
    """Return the held messages that are released, or to be rejected or discarded."""
    query = f"SELECT p.message FROM plans p WHERE p.ending IS NOT NULL AND {HELD}"
    return [row[0] for row in db.execute(query)]


def load(db: Db, id_: str, *, now: datetime) -> Ending | None:
    """Return a held message that is to go on; None when it is not, or not any more."""
    held = _hold_of(db, id_)
    row = db.execute("SELECT ending FROM plans WHERE message = ?", (id_,)).fetchone()
    if held is None or row is None or row[0] is None:
        return None
    hold, plan = held
    return Ending(outgoing=_outgoing(db, id_, now=now), hold=hold, plan=plan, then=row[0])


def keep_on(db: Db, ended: Ending, outgoing: Outgoing, plan: Plan, *, now: datetime) -> None:
    """Keep a released message as the policies behind have it: it goes, or is held anew."""
    id_, sender = outgoing.id, outgoing.envelope.return_path
    _end(db, id_, plan, now=now)
    lane = lane_now(db, lane_of_sender(db, outgoing) or outgoing.lane)
    db.execute(
        "UPDATE message SET return_path = ?, header_from = ?, edits = ? WHERE id = ?",
        (str(sender) if sender else None, outgoing.header_from,
         batch.edits_row(outgoing.edits), id_),
    )  # fmt: skip
    db.execute(
        "UPDATE delivery SET lane_kind = ?, lane = ?, reason = ?, fix = ?, next_attempt_at = ?"
        " WHERE message = ? AND state = 'held'",
        (lane.kind.value, lane.name, outgoing.hold, waiting.held_fix(id_),
         outgoing.hold_until.timestamp() if outgoing.hold_until else None, id_),
    )  # fmt: skip
    if outgoing.hold is None:
        people.release(db, id_, now=now, event=None)


def take(db: Db, ended: Ending, *, now: datetime, lease: timedelta) -> Batch:
    """Lease the whole of a held message, to record in the same transaction that it failed."""
    id_ = ended.outgoing.id
    _end(db, id_, ended.plan, now=now)
    count = people.move(db, id_, State.QUEUED, None, now=now, only="state = 'held'")
    lane = _lane(db, id_)
    return queue.claim_message(
        db, id_, lane, owner=OWNER, now=now, until=now + lease, recipients=count
    )


def hold_again(db: Db, ended: Ending, *, reason: str) -> None:
    """Take the end of a hold back: a person decides again."""
    id_ = ended.outgoing.id
    db.execute("UPDATE plans SET ending = NULL WHERE message = ?", (id_,))
    query = "UPDATE delivery SET reason = ?, fix = ? WHERE message = ? AND state = 'held'"
    db.execute(query, (reason, waiting.held_fix(id_), id_))


def discard(db: Db, ended: Ending, *, rule: str, now: datetime) -> None:
    """Cancel a held message, as a policy said."""
    _end(db, ended.outgoing.id, ended.plan, now=now)
    people.discard(db, ended.outgoing.id, rule=rule, now=now)


def _begin_end(db: Db, id_: str, then: str, *, event: str, now: datetime) -> int:
    if _hold_of(db, id_) is None:
        raise Conflict(f"{id_}: no policy holds it; gateway queue show {id_} tells where it is")
    begun = db.execute(
        "UPDATE plans SET ending = ? WHERE message = ? AND ending IS NULL", (then, id_)
    )
    if not begun.rowcount:
        raise Conflict(f"{id_}: its hold has ended; gateway serve goes on with it by itself")
    changed = db.execute(
        "UPDATE delivery SET reason = ?, fix = ?, next_attempt_at = NULL"
        " WHERE message = ? AND state = 'held'",
        (GOES_ON if then == RELEASE else f"the time of its hold is over: {then}",
         "nothing: gateway serve goes on with it by itself", id_),
    )  # fmt: skip
    journal.write(db, id_, event, now=now, recipients=changed.rowcount)
    return changed.rowcount


def _end(db: Db, id_: str, plan: Plan, *, now: datetime) -> None:
    values = (rows.write(plan), id_)
    db.execute("UPDATE plans SET ending = NULL, plan = ? WHERE message = ?", values)
    journal.write(db, id_, "message.planned", now=now, **plans.summary(plan))


def _hold_of(db: Db, id_: str) -> tuple[Effect, Plan] | None:
    query = f"SELECT p.plan FROM plans p WHERE p.message = ? AND {HELD}"
    row = db.execute(query, (id_,)).fetchone()
    plan = rows.read(Plan, row[0]) if row else Plan(effects=(), version="")
    hold = next((one for one in plan.effects if one.kind is EffectKind.HOLD), None)
    return (hold, plan) if hold else None


def _lane(db: Db, id_: str) -> Lane:
    query = "SELECT tenant, lane_kind, lane FROM delivery WHERE message = ? LIMIT 1"
    tenant, kind, name = db.execute(query, (id_,)).fetchone()
    return Lane(tenant, LaneKind(kind), name)


def _outgoing(db: Db, id_: str, *, now: datetime) -> Outgoing:
    owed = db.execute(
        "SELECT number, recipient, notify, orcpt, attempts, sendable_seconds, sendable_since,"
        " delay_told FROM delivery WHERE message = ? AND state = 'held' ORDER BY number",
        (id_,),
    ).fetchall()
    deliveries = tuple(batch.delivery_of(row, now) for row in owed)
    stored = batch.load_batch(
        db, id_, _lane(db, id_), token="", until=now, deliveries=deliveries
    )
    return Outgoing(
        id=id_,
        tenant=stored.lane.tenant,
        lane=stored.lane,
        kind=stored.kind,
        envelope=stored.envelope,
        content=stored.content,
        message_id=stored.message_id,
        header_from=stored.header_from,
        edits=stored.edits,
        origin=stored.origin,
    )
