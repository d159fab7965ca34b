"""The queue as people see and change it: list, show, retry, hold, release, delete.

What a person does is a row of the journal, like everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.mail.delivery import Lane, LaneKind, State
from gateway.mail.inbound import Authenticity
from gateway.store import books, holds, journal, lanes
from gateway.store.capturing import WAITS, WAITS_FIX, is_capturing
from gateway.store.errors import Conflict
from gateway.store.lanes import DUE
from gateway.store.queue import STOPPED, sources
from gateway.store.rows import read
from gateway.store.sqlite import Db
from gateway.store.waiting import (
    ASIDE_REASON,
    Clocks,
    clocks,
    held_fix,
    hour_to_come,
    why_scheduled,
    why_waiting,
)

STAND_STILL = (LaneKind.UPSTREAM, LaneKind.ROUTE, LaneKind.HOOK)  # while it is captured
ITS_TURN = "its turn has not come: what was due before it leaves first"
ITS_TURN_FIX = "gateway status tells whether the server runs, gateway queue retry puts it first"
MOVED = {
    State.QUEUED: "sent on", State.SCHEDULED: "sent on", State.HELD: "held",
    State.CANCELLED: "deleted", State.FAILED: "given up",
}  # fmt: skip
FINISHED_SHOWN = "('delivered', 'failed', 'cancelled')"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRecipient:
    """One recipient of a queued message."""

    address: str
    state: str
    attempts: int
    last_reply: str | None
    next_attempt_at: datetime | None
    reason: str | None
    fix: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """One message of the queue; `reason` and `fix` are None when it is not waiting."""

    id: str
    tenant: str
    direction: str  # in: fetched and held | out
    lane_kind: str  # of what is held on its way in: mailbox
    upstream: str | None  # the name of the way, such as the upstream
    sender: str  # envelope sender, empty for a null return path
    header_from: str
    message_id: str
    recipients: tuple[QueueRecipient, ...]
    size_bytes: int
    accepted_at: datetime

    @property
    def reason(self) -> str | None:
        """Why it waits: of the first recipient that does."""
        return next((one.reason for one in self.recipients if one.reason), None)

    @property
    def fix(self) -> str | None:
        """What a person can do."""
        return next((one.fix for one in self.recipients if one.fix), None)


def entries(
    db: Db, *, tenant: str | None = None, state: str | None = None, limit: int = 1000
) -> list[QueueEntry]:
    """Return what waits, oldest first; with `state` what is in that state, finished too."""
    where = "state = :state" if state else f"state NOT IN {FINISHED_SHOWN}"
    rows = db.execute(
        f"SELECT message FROM delivery WHERE {where}"
        " AND (:tenant IS NULL OR tenant = :tenant) UNION"
        " SELECT i.message FROM inbox i JOIN message m ON m.id = i.message"
        f" WHERE {holds.IS_HELD} AND coalesce(:state, 'held') = 'held'"
        " AND (:tenant IS NULL OR m.tenant = :tenant) ORDER BY 1 LIMIT :limit",
        {"state": state, "tenant": tenant, "limit": limit},
    ).fetchall()
    return [found for (message,) in rows if (found := entry(db, message))]


def entry(db: Db, name: str) -> QueueEntry | None:
    """Return one message by any of its ids; None when there is none.

    What leaves is found finished or not, what was fetched while it is held.
    """
    message = journal.find_message(db, name)
    if message is not None and holds.is_held(db, message):
        return _held_entry(db, message)
    row = db.execute(
        "SELECT m.tenant, m.return_path, m.header_from, m.message_id, m.size_bytes,"
        " m.accepted_at, d.lane_kind, d.lane FROM message m JOIN delivery d ON d.message = m.id"
        " WHERE m.id = ? LIMIT 1",
        (message,),
    ).fetchone()
    if message is None or row is None:
        return None
    return QueueEntry(
        id=message,
        tenant=row[0],
        direction="out",
        lane_kind=row[6],
        upstream=row[7] or None,
        sender=row[1] or "",
        header_from=row[2],
        message_id=row[3],
        recipients=_recipients(db, message),
        size_bytes=row[4],
        accepted_at=datetime.fromtimestamp(row[5], UTC),
    )


def retry(db: Db, name: str, *, now: datetime) -> int:
    """Make what waits of a message due now, and the next of its lane; return how many.

    A lane that rests after failures is tried at once. Raises Conflict when nothing of the
    message waits for its time.
    """
    message = journal.find_message(db, name)
    query = "SELECT state FROM delivery WHERE message = ? AND state IN (?, ?, ?)"
    wait = (State.QUEUED, State.DEFERRED, State.SCHEDULED)
    states = [row[0] for row in db.execute(query, (message, *wait))]
    if message is not None and states and set(states) == {State.QUEUED}:
        journal.write(db, message, "queue.retry", now=now, recipients=len(states))
    else:
        move(db, name, State.QUEUED, "queue.retry", now=now, only="state <> 'held'")
    _put_first(db, message, now=now)
    return len(states)


def release(db: Db, name: str, *, now: datetime, event: str | None = "queue.release") -> int:
    """Let what was held go, at its hour where it has one; return how many recipients.

    Raises Conflict.
    """
    until = hour_to_come(db, journal.find_message(db, name), now=now)
    to = State.SCHEDULED if until else State.QUEUED
    return move(db, name, to, event, now=now, only="state = 'held'")


def release_aside(
    db: Db, tenant: str, way: str, *, after: str, now: datetime, limit: int = 500
) -> list[str]:
    """Let go what is set aside in one way of a tenant; return at most `limit` messages.

    `after` is the last one of those released before: one that is refused again comes no more.
    The way is tried at once, though it rests after failures.
    """
    rows = db.execute(
        "SELECT DISTINCT message, lane_kind FROM delivery WHERE tenant = ? AND lane = ?"
        " AND state = 'held' AND substr(reason, 1, ?) = ? AND message > ?"
        " ORDER BY message LIMIT ?",
        (tenant, way, len(ASIDE_REASON), ASIDE_REASON, after, limit),
    ).fetchall()
    for message, _ in rows:
        release(db, message, now=now)
    for kind in {row[1] for row in rows}:
        lanes.ask(db, Lane(tenant, LaneKind(kind), way), now=now)
    return [message for message, _ in rows]


def hold(db: Db, name: str, *, reason: str, now: datetime) -> int:
    """Hold what waits until a person releases it; return how many. Raises Conflict."""
    moved = move(db, name, State.HELD, "queue.hold", now=now)
    message = journal.find_message(db, name)
    fix = f"gateway queue release {message}"
    db.execute(
        "UPDATE delivery SET reason = ?, fix = ? WHERE message = ? AND state = 'held'",
        (reason, fix, message),
    )
    return moved


def delete(db: Db, name: str, *, now: datetime) -> int:
    """Cancel what waits; return how many recipients. Raises Conflict."""
    moved = move(db, name, State.CANCELLED, "queue.delete", now=now)
    tenant, page = _page(db, name)
    books.add(db, tenant, f"{page}.removed", moved)
    return moved


def discard(db: Db, message: str, *, rule: str, now: datetime) -> None:
    """Cancel a message that a policy discards as it is accepted; its bytes stay for the log."""
    moved = move(db, message, State.CANCELLED, "message.discarded", now=now, rule=rule)
    tenant, page = _page(db, message)
    books.add(db, tenant, f"{page}.removed", moved)


def move(
    db: Db,
    name: str,
    to: State,
    event: str | None,
    *,
    now: datetime,
    only: str = "TRUE",
    rule: str | None = None,
) -> int:
    """Move what of a message may be moved so; return how many recipients. Raises Conflict.

    `only` is a condition of SQL; without an event the journal was told before.
    """
    message = journal.find_message(db, name)
    if message is None:
        raise Conflict(journal.unknown_message(db, name))
    clock, due_at, reason, fix = _waits_from(db, message, to, now=now)
    changed = db.execute(
        "UPDATE delivery SET state = :to, reason = :reason, fix = :fix,"
        " next_attempt_at = :due_at,"
        " sendable_seconds = sendable_seconds + coalesce(max(0, :now - sendable_since), 0),"
        " sendable_since = :sendable_since, stalled_since = :stalled_since,"
        " finished_at = iif(:to IN ('cancelled', 'failed'), :now, NULL)"
        f" WHERE message = :message AND {only} AND state <> 'claimed'"
        f" AND state IN ({sources(to)})",
        {
            "to": to.value, "now": now.timestamp(), "message": message, "reason": reason,
            "fix": fix, "sendable_since": clock.sendable_since,
            "stalled_since": clock.stalled_since,
            "due_at": due_at.timestamp() if due_at else None,
        },
    )  # fmt: skip
    if not changed.rowcount:
        raise Conflict(f"{message}: {_why_not(db, message, to)}")
    if event is not None:
        journal.write(db, message, event, now=now, recipients=changed.rowcount, rule=rule)
    return changed.rowcount


def _put_first(db: Db, message: str | None, *, now: datetime) -> None:
    query = "SELECT tenant, lane_kind, lane FROM delivery WHERE message = ? LIMIT 1"
    tenant, kind, name = db.execute(query, (message,)).fetchone()
    db.execute(
        "UPDATE delivery SET next_attempt_at = min(:now, (SELECT min(next_attempt_at)"
        f" FROM delivery WHERE {DUE} AND tenant = :tenant AND lane_kind = :kind"
        " AND lane = :name)) - 0.001 WHERE message = :message AND state = 'queued'",
        {
            "now": now.timestamp(), "message": message, "tenant": tenant, "kind": kind,
            "name": name,
        },
    )  # fmt: skip
    lanes.ask(db, Lane(tenant, LaneKind(kind), name), now=now)


def _waits_from(
    db: Db, message: str, to: State, *, now: datetime
) -> tuple[Clocks, datetime | None, str | None, str | None]:
    """Return which clock of a message runs from now on, its next step, and why it waits."""
    if to is State.SCHEDULED and (until := hour_to_come(db, message, now=now)):
        return STOPPED, until, *why_scheduled(message, until)
    query = (
        "SELECT d.tenant, d.lane_kind, d.lane, m.header_from FROM delivery d JOIN message m"
        " ON m.id = d.message WHERE d.message = ? LIMIT 1"
    )
    row = db.execute(query, (message,)).fetchone()
    if row is None or to is not State.QUEUED:
        return STOPPED, None, None, None
    lane = Lane(row[0], LaneKind(row[1]), row[2])
    return clocks(db, lane, now=now), now, *why_waiting(lane, row[3])


def _why_not(db: Db, message: str, to: State) -> str:
    query = "SELECT DISTINCT state FROM delivery WHERE message = ? ORDER BY state"
    states = ", ".join(row[0] for row in db.execute(query, (message,)))
    if not states:
        return (
            "it was fetched, it is not in the queue; gateway log trace shows what became of it"
        )
    more = f"gateway queue show {message} tells more"
    return f"it cannot be {MOVED[to]} now: its recipients are {states}; {more}"


def _page(db: Db, name: str) -> tuple[str, str]:
    message = journal.find_message(db, name)
    query = "SELECT tenant, lane_kind FROM delivery WHERE message = ? LIMIT 1"
    tenant, kind = db.execute(query, (message,)).fetchone()
    return tenant, books.side(LaneKind(kind))


def _held_entry(db: Db, message: str) -> QueueEntry:
    row = db.execute(
        "SELECT m.tenant, i.mailbox, i.authenticity, m.header_from, m.message_id,"
        " m.size_bytes, m.accepted_at, i.rule, i.held_until FROM message m JOIN inbox i"
        " ON i.message = m.id WHERE m.id = ?",
        (message,),
    ).fetchone()
    tenant, mailbox, proven, header_from, message_id, size, at, rule, until = row
    authenticity = read(Authenticity, proven) if proven else Authenticity()
    held = QueueRecipient(
        address=mailbox,
        state=State.HELD,
        attempts=0,
        last_reply=None,
        next_attempt_at=datetime.fromtimestamp(until, UTC) if until else None,
        reason="; ".join(filter(None, (rule, holds.end_of(db, message)))),
        fix=held_fix(message),
    )
    return QueueEntry(
        id=message,
        tenant=tenant,
        direction="in",
        lane_kind="mailbox",
        upstream=mailbox,
        sender=authenticity.mail_from or header_from,
        header_from=header_from,
        message_id=message_id,
        recipients=(held,),
        size_bytes=size,
        accepted_at=datetime.fromtimestamp(at, UTC),
    )


def _recipients(db: Db, message: str) -> tuple[QueueRecipient, ...]:
    """What a paused lane says comes before what the last try said, unless a person must act.

    What was not tried waits for what its lane rests for, else for its turn.
    """
    rows = db.execute(
        "SELECT d.recipient, d.state, d.attempts, d.last_reply, d.next_attempt_at,"
        f" {_said('reason')}, {_said('fix')}, d.finished_at, d.lane_kind"
        " FROM delivery d LEFT JOIN lanes l ON l.tenant = d.tenant AND l.kind = d.lane_kind"
        " AND l.name = d.lane WHERE d.message = ? ORDER BY d.number",
        (message,),
    )
    capturing = is_capturing(db)
    return tuple(_recipient(row, capturing=capturing) for row in rows)


def _said(column: str) -> str:
    return (
        f"CASE WHEN d.state <> 'held' AND l.paused_by IS NOT NULL AND l.reason IS NOT NULL"
        f" THEN l.{column} WHEN d.state = 'queued' AND d.reason IS NULL"
        f" THEN l.rest_{column} ELSE d.{column} END"
    )


def _recipient(row: tuple[Any, ...], *, capturing: bool) -> QueueRecipient:
    address, state, attempts, last_reply, next_at, reason, fix, finished_at, kind = row
    waits = finished_at is None
    if capturing and kind in STAND_STILL and state != State.HELD:
        reason, fix = WAITS, WAITS_FIX
    if state == State.QUEUED and reason is None:
        reason, fix = ITS_TURN, ITS_TURN_FIX
    return QueueRecipient(
        address=address,
        state=state,
        attempts=attempts,
        last_reply=last_reply,
        next_attempt_at=datetime.fromtimestamp(next_at, UTC) if waits and next_at else None,
        reason=reason if waits else None,
        fix=fix if waits else None,
    )
