"""Outbound: accept, claim, record, finish; one transaction each.

A claim is a lease with a token. A token that is no longer current changes nothing, so a
session that was believed dead cannot undo what another one recorded since.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.mail.delivery import (
    MOVES,
    Batch,
    Decision,
    Kind,
    Lane,
    LaneKind,
    Outgoing,
    Recorded,
    Result,
    State,
)
from gateway.store import books, journal
from gateway.store.batch import delivery_of, edits_row, envelope_row, load_batch
from gateway.store.capturing import lane_now
from gateway.store.interrupted import OF_OWNER, UNCLAIM, take_over_expired
from gateway.store.lanes import DUE, is_paused
from gateway.store.sqlite import Db
from gateway.store.waiting import (
    Clocks,
    begin_scheduled,
    clocks,
    held_fix,
    put_aside,
    why_scheduled,
    why_waiting,
)

STOPPED = Clocks(sendable_since=None, stalled_since=None)
CLAIM_BYTES = 32 * 1024 * 1024  # of content, at most or in one message, in one transaction
STATES: dict[Decision, State] = {
    Decision.DELIVERED: State.DELIVERED,
    Decision.DEFER: State.DEFERRED,
    Decision.SLOW_DOWN: State.DEFERRED,
    Decision.WAIT_QUOTA: State.DEFERRED,
    Decision.UNKNOWN: State.DEFERRED,
    Decision.FAIL: State.FAILED,
    Decision.SIGN_IN_REFUSED: State.QUEUED,
    Decision.SET_ASIDE: State.HELD,
}


def accept(db: Db, outgoing: Outgoing, *, now: datetime) -> str:
    """Keep a message, its recipients and its first journal row; return its id."""
    outgoing = replace(outgoing, lane=lane_now(db, outgoing.lane))
    _insert_message(db, outgoing, now)
    state = _first_state(outgoing, now)
    due_at = _due_at(outgoing, state, now)
    clock = clocks(db, outgoing.lane, now=now) if state is State.QUEUED else STOPPED
    reason, fix = _why_waiting(outgoing, state)
    rows = [
        (
            outgoing.id, outgoing.tenant, outgoing.lane.kind.value, outgoing.lane.name,
            str(one.address), one.notify, one.orcpt, state.value,
            due_at.timestamp() if due_at else None,
            clock.sendable_since, clock.stalled_since, reason, fix,
        )
        for one in outgoing.envelope.recipients
    ]  # fmt: skip
    db.executemany(
        "INSERT INTO delivery (message, tenant, lane_kind, lane, recipient, notify, orcpt,"
        " state, next_attempt_at, sendable_since, stalled_since, reason, fix)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        rows,
    )
    books.add(db, outgoing.tenant, f"{books.side(outgoing.lane.kind)}.accepted", len(rows))
    journal.write(db, outgoing.id, "message.accepted", now=now, **_accepted(outgoing))
    return outgoing.id


def count_accepted(db: Db, credential: str, *, since: datetime) -> int:
    """Return how many messages a credential has handed in since a time."""
    row = db.execute(
        "SELECT count(*) FROM message WHERE credential = ? AND accepted_at > ? AND kind = ?",
        (credential, since.timestamp(), Kind.SUBMISSION.value),
    ).fetchone()
    return int(row[0])


def claim(
    db: Db,
    lane: Lane,
    *,
    owner: str,
    now: datetime,
    lease: timedelta,
    messages: int,
    recipients: int,
    spared: Collection[str] = (),
) -> list[Batch]:
    """Lease up to `messages` due messages of a lane, each with at most `recipients` of it.

    What is large comes in fewer: the content of all is read here, and held until it is sent.
    A lane that was paused meanwhile gives none, however long its queue is. Leases that have run
    out are taken over, but those of the `spared` tokens: who holds these is at work.
    """
    if is_paused(db, lane, now=now):
        return []
    take_over_expired(db, lane, spared=spared, now=now)
    begin_scheduled(db, now=now)
    until = now + lease
    ids = _due_messages(db, lane, now=now, limit=messages)
    return [
        claim_message(db, one, lane, owner=owner, now=now, until=until, recipients=recipients)
        for one in ids
    ]


def claim_message(
    db: Db,
    message: str,
    lane: Lane,
    *,
    owner: str,
    now: datetime,
    until: datetime,
    recipients: int,
) -> Batch:
    """Lease what is due of one message in a lane, at most `recipients` of it."""
    rows = db.execute(
        "SELECT number, recipient, notify, orcpt, attempts, sendable_seconds, sendable_since,"
        f" delay_told FROM delivery WHERE {DUE} AND message = ? AND lane_kind = ? AND lane = ?"
        " AND next_attempt_at <= ? LIMIT ?",
        (message, lane.kind.value, lane.name, now.timestamp(), recipients),
    ).fetchall()
    token = secrets.token_hex(8)
    db.executemany(
        "UPDATE delivery SET state = 'claimed', token = ?, owner = ?, lease_until = ?"
        " WHERE number = ?",
        [(token, owner, until.timestamp(), row[0]) for row in rows],
    )
    deliveries = tuple(delivery_of(row, now) for row in rows)
    return load_batch(db, message, lane, token=token, until=until, deliveries=deliveries)


def renew(db: Db, batch: Batch, *, now: datetime, lease: timedelta) -> bool:
    """Lengthen the lease; False when the token is no longer current: stop sending."""
    changed = db.execute(
        "UPDATE delivery SET lease_until = ? WHERE token = ? AND state = 'claimed'",
        ((now + lease).timestamp(), batch.token),
    )
    return changed.rowcount > 0


def record(db: Db, batch: Batch, results: Sequence[Result], *, now: datetime) -> Recorded:
    """Keep what became of a batch; a stale token changes nothing."""
    by_number = {one.number: one for one in batch.deliveries}
    kept = [
        (by_number[one.delivery], one) for one in results if _record_one(db, batch, one, now)
    ]
    failed = tuple(one for one in kept if _state_after(one[1]) is State.FAILED)
    delivered = tuple(one for one in kept if _state_after(one[1]) is State.DELIVERED)
    side = books.side(batch.lane.kind)
    books.add(db, batch.lane.tenant, f"{side}.delivered", len(delivered))
    books.add(db, batch.lane.tenant, f"{side}.failed", len(failed))
    delayed = tuple(one for one in kept if one[1].delayed_until is not None)
    return Recorded(
        failed=failed,
        delivered=delivered,
        delayed=delayed,
        is_finished=bool(kept) and not waits(db, batch.message),
    )


def release_leases(db: Db, *, owner_prefix: str) -> int:
    """Queue again what was claimed by an owner, and not sent; return how many."""
    changed = db.execute(f"{UNCLAIM} AND {OF_OWNER}", (len(owner_prefix), owner_prefix))
    return changed.rowcount


def give_back(db: Db, batch: Batch) -> None:
    """Queue again what was not sent of a batch; a stale token changes nothing."""
    db.execute(f"{UNCLAIM} AND token = ?", (batch.token,))


def content_of(db: Db, message: str) -> bytes | None:
    """Return the stored bytes of a message, None when there are none (any more)."""
    row = db.execute("SELECT bytes FROM content WHERE message = ?", (message,)).fetchone()
    return row[0] if row else None


def waits(db: Db, message: str) -> bool:
    """Whether anything of a message is not finished yet."""
    query = "SELECT 1 FROM delivery WHERE message = ? AND finished_at IS NULL LIMIT 1"
    return db.execute(query, (message,)).fetchone() is not None


def sources(to: State) -> str:
    """Return, for a WHERE, the states from which `to` may be reached (mail.delivery.MOVES)."""
    return ", ".join(f"'{state.value}'" for state, moves in MOVES.items() if to in moves)


def _insert_message(db: Db, outgoing: Outgoing, now: datetime) -> None:
    envelope = outgoing.envelope
    return_path = str(envelope.return_path) if envelope.return_path else None
    db.execute(
        "INSERT INTO message (id, tenant, kind, message_id, return_path, header_from, envelope,"
        " edits, origin, credential, size_bytes, accepted_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            outgoing.id, outgoing.tenant, outgoing.kind.value, outgoing.message_id, return_path,
            outgoing.header_from, envelope_row(envelope), edits_row(outgoing.edits),
            outgoing.origin, outgoing.credential, len(outgoing.content), now.timestamp(),
        ),
    )  # fmt: skip
    row = (outgoing.id, outgoing.content)
    db.execute("INSERT INTO content (message, bytes) VALUES (?, ?)", row)


def _first_state(outgoing: Outgoing, now: datetime) -> State:
    if outgoing.hold:
        return State.HELD
    hold_until = outgoing.envelope.hold_until
    return State.SCHEDULED if hold_until and hold_until > now else State.QUEUED


def _due_at(outgoing: Outgoing, state: State, now: datetime) -> datetime | None:
    """When its next step is, by itself; None: when a person says so."""
    if state is State.HELD:
        return outgoing.hold_until
    return outgoing.envelope.hold_until if state is State.SCHEDULED else now


def _why_waiting(outgoing: Outgoing, state: State) -> tuple[str | None, str | None]:
    if outgoing.hold:
        return outgoing.hold, held_fix(outgoing.id)
    if state is State.SCHEDULED and (until := outgoing.envelope.hold_until):
        return why_scheduled(outgoing.id, until)
    return why_waiting(outgoing.lane, outgoing.header_from)


def _accepted(outgoing: Outgoing) -> dict[str, object]:
    envelope = outgoing.envelope
    return {
        "kind": outgoing.kind.value,
        "lane": f"{outgoing.lane.kind}/{outgoing.lane.name}",
        "from": str(envelope.return_path or ""),
        "to": [str(one.address) for one in envelope.recipients][:20],
        "recipients": len(envelope.recipients),
        "size_bytes": len(outgoing.content),
        "message_id": outgoing.message_id or None,
        "credential": outgoing.credential,
        "origin": outgoing.origin,
        "hold_until": envelope.hold_until,
    }


def _due_messages(db: Db, lane: Lane, *, now: datetime, limit: int) -> list[str]:
    """Return due messages in the order of their times, together no larger than CLAIM_BYTES."""
    cursor = db.execute(
        "SELECT d.message, m.size_bytes FROM delivery d JOIN message m ON m.id = d.message"
        f" WHERE {DUE} AND d.tenant = ? AND d.lane_kind = ? AND d.lane = ?"
        " AND d.next_attempt_at <= ? ORDER BY d.next_attempt_at",
        (lane.tenant, lane.kind.value, lane.name, now.timestamp()),
    )
    found: dict[str, int] = {}
    for message, size_bytes in cursor:
        if found and sum(found.values()) + size_bytes > CLAIM_BYTES:
            break
        found[message] = size_bytes
        if len(found) >= limit:
            break
    cursor.close()
    return list(found)


def _record_one(db: Db, batch: Batch, result: Result, now: datetime) -> bool:
    state = _state_after(result)
    if state is State.HELD:
        result = replace(result, verdict=put_aside(result.verdict, batch.message))
    reply = result.attempt.reply
    tried = result.verdict.decision is not Decision.SIGN_IN_REFUSED
    due_at = result.next_attempt_at or (now if state is State.QUEUED else None)
    waits = state in (State.DEFERRED, State.HELD, State.QUEUED)
    clock = clocks(db, _lane_of(db, result.delivery), now=now) if waits else STOPPED
    changed = db.execute(
        "UPDATE delivery SET state = ?1, attempts = attempts + ?2, next_attempt_at = ?3,"
        " interruptions = 0,"
        " last_code = ?4, last_reply = ?5, upstream_id = coalesce(?6, upstream_id),"
        " reason = ?7, fix = ?8, finished_at = ?9, token = NULL, owner = NULL,"
        " lease_until = NULL,"
        " sendable_seconds = sendable_seconds"
        " + iif(?1 = 'held', coalesce(max(0, ?15 - sendable_since), 0), 0),"
        " sendable_since = CASE WHEN ?1 IN ('deferred', 'queued')"
        " THEN coalesce(sendable_since, ?10) WHEN ?1 <> 'held' THEN sendable_since END,"
        " stalled_since = iif(?11 IS NULL, NULL, coalesce(stalled_since, ?11)),"
        " delay_told = max(delay_told, ?14)"
        " WHERE number = ?12 AND token = ?13 AND state = 'claimed'",
        (
            state.value, int(tried), due_at.timestamp() if due_at else None, reply.code,
            reply.as_line(), result.attempt.remote_id,
            result.verdict.meaning if waits else None,
            _fix_of(batch, result) if waits else None,
            None if waits else now.timestamp(), clock.sendable_since, clock.stalled_since,
            result.delivery, batch.token, int(result.delayed_until is not None),
            now.timestamp(),
        ),
    )  # fmt: skip
    if changed.rowcount:
        detail = _tried(batch, result, now)
        journal.write(db, batch.message, f"delivery.{state.value}", now=now, **detail)
    return changed.rowcount > 0


def _lane_of(db: Db, number: int) -> Lane:
    """Return by which lane a delivery goes on: its sender may have another one by now."""
    query = "SELECT tenant, lane_kind, lane FROM delivery WHERE number = ?"
    tenant, kind, name = db.execute(query, (number,)).fetchone()
    return Lane(tenant, LaneKind(kind), name)


def _fix_of(batch: Batch, result: Result) -> str:
    """Return what a person can do; where nothing is known to be wrong, that it goes on."""
    if result.verdict.fix:
        return result.verdict.fix
    if (see := batch.lane.how_to_see) and result.attempt.is_unanswered:
        return see
    return f"it is tried again by itself; gateway queue retry {batch.message} tries it now"


def _state_after(result: Result) -> State:
    return State.FAILED if result.give_up else STATES[result.verdict.decision]


def _tried(batch: Batch, result: Result, now: datetime) -> dict[str, object]:
    attempt = result.attempt
    recipients = {one.number: str(one.recipient.address) for one in batch.deliveries}
    return {
        "recipient": recipients[result.delivery],
        "lane": f"{batch.lane.kind}/{batch.lane.name}",
        "host": attempt.host,
        "tls": attempt.tls,
        "signed": list(attempt.signed) or None,
        "phase": attempt.phase.value,
        "reply": attempt.reply.as_line(),
        "seconds": round(attempt.seconds, 3),
        "delay_seconds": round((now - batch.accepted_at).total_seconds(), 3),
        "cause": result.verdict.cause,
        "meaning": result.verdict.meaning,
        "fix": result.verdict.fix,
        "next_attempt_at": result.next_attempt_at,
        "remote_id": attempt.remote_id,
        "perhaps_delivered": result.verdict.decision is Decision.UNKNOWN or None,
    }
