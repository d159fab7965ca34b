"""What a person gives up on: failed now, as it would be when its time is over."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from gateway.mail.delivery import (
    OF_SENDERS,
    Attempt,
    Batch,
    Decision,
    Delivery,
    Lane,
    LaneKind,
    Phase,
    Recorded,
    Result,
    State,
    Verdict,
)
from gateway.mail.reply import Reply, read_line
from gateway.store import books, journal, people, queue
from gateway.store.batch import delivery_of, load_batch
from gateway.store.errors import Conflict
from gateway.store.sqlite import Db

GIVEN_UP = Verdict(
    decision=Decision.FAIL,
    cause="given-up",
    meaning="It was not delivered until somebody who looks after the mail gave up on it.",
)


def give_up(db: Db, name: str, *, now: datetime) -> tuple[Batch, Recorded]:
    """Fail what waits of a sender's message, held and scheduled too; return what that was.

    Its batch holds those recipients alone, and their results what their servers said last.
    Raises Conflict when nothing waits, or when it is not a sender's: what is on its way to a
    helpdesk is never returned to anybody.
    """
    message = journal.find_message(db, name)
    lane, deliveries = _waiting(db, message, now)
    if lane is not None and lane.kind not in OF_SENDERS:
        raise Conflict(
            f"{message}: it leaves by the {lane.kind} {lane.name}, so nobody would be told;"
            f" gateway queue delete {message} removes it"
        )
    people.move(db, name, State.FAILED, "queue.bounce", now=now)
    if message is None or lane is None:
        raise AssertionError("what was moved had been found")
    books.add(db, lane.tenant, f"{books.side(lane.kind)}.failed", len(deliveries))
    batch = load_batch(db, message, lane, token="", until=now, deliveries=deliveries)
    failed = tuple((one, _result(db, message, one, now)) for one in deliveries)
    return batch, Recorded(failed=failed, is_finished=not queue.waits(db, message))


def _waiting(
    db: Db, message: str | None, now: datetime
) -> tuple[Lane | None, tuple[Delivery, ...]]:
    rows = db.execute(
        "SELECT tenant, lane_kind, lane, number, recipient, notify, orcpt, attempts,"
        " sendable_seconds, sendable_since, delay_told FROM delivery WHERE message = ?"
        f" AND state IN ({queue.sources(State.FAILED)}) AND state <> 'claimed' ORDER BY number",
        (message,),
    ).fetchall()
    if not rows:
        return None, ()
    tenant, kind, name = rows[0][:3]
    return Lane(tenant, LaneKind(kind), name), tuple(delivery_of(row[3:], now) for row in rows)


def _result(db: Db, message: str, delivery: Delivery, now: datetime) -> Result:
    said = _last_try(db, message, str(delivery.recipient.address))
    reply = read_line(str(said.get("reply", "")))
    if not reply.code:
        reply = Reply(0, None, GIVEN_UP.meaning)
    attempt = Attempt(
        at=now,
        host=said.get("host", ""),
        phase=Phase(said.get("phase", Phase.CONNECT)),
        reply=reply,
    )
    return Result(
        delivery=delivery.number,
        attempt=attempt,
        verdict=GIVEN_UP,
        next_attempt_at=None,
        give_up=True,
    )


def _last_try(db: Db, message: str, recipient: str) -> dict[str, Any]:
    row = db.execute(
        "SELECT detail FROM journal WHERE message = ? AND json_extract(detail, '$.reply')"
        " IS NOT NULL AND json_extract(detail, '$.recipient') = ? ORDER BY number DESC LIMIT 1",
        (message, recipient),
    ).fetchone()
    return dict(json.loads(row[0])) if row else {}
