"""Fetched mail that a policy holds: released, rejected or discarded by a person or in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gateway.mail.plan import Effect, EffectKind, end_of_hold, words_of_end
from gateway.store import books, journal, rows
from gateway.store.errors import Conflict
from gateway.store.sqlite import Db

IS_HELD = "i.state = 'done' AND i.outcome = 'held'"
RELEASED, REMOVED = "released", "removed"  # how the hold itself ended


def is_held(db: Db, id_: str) -> bool:
    """Whether a fetched message is held until somebody decides."""
    query = f"SELECT 1 FROM inbox i WHERE i.message = ? AND {IS_HELD}"
    return db.execute(query, (id_,)).fetchone() is not None


def set_time(db: Db, id_: str, *, now: datetime) -> None:
    """Note when a hold ends by itself: `hold :for SECONDS`; nothing without it."""
    found = _hold_of(db, id_)
    until = end_of_hold(found[1], begun_at=now) if found else None
    if until is not None:
        query = "UPDATE inbox SET held_until = ? WHERE message = ?"
        db.execute(query, (until.timestamp(), id_))


def end_of(db: Db, id_: str) -> str:
    """Return what becomes of a held message by itself, empty when nothing does."""
    row = db.execute("SELECT held_until FROM inbox WHERE message = ?", (id_,)).fetchone()
    held = _hold_of(db, id_)
    if row is None or row[0] is None or held is None:
        return ""
    return words_of_end(held[1], at=datetime.fromtimestamp(row[0], UTC))


def remove(db: Db, id_: str, *, event: str, now: datetime) -> None:
    """Have a held message go nowhere; its bytes stay for the log. Raises Conflict."""
    _reopen(db, id_, event=event, now=now)
    query = "UPDATE effects SET state = ? WHERE message = ? AND state = 'held'"
    db.execute(query, (REMOVED, id_))
    db.execute(
        "UPDATE inbox SET outcome = 'discarded', rule = 'removed by a person'"
        " WHERE message = ?",
        (id_,),
    )
    tenant = db.execute("SELECT tenant FROM message WHERE id = ?", (id_,)).fetchone()[0]
    books.add(db, tenant, "in.discarded", 1)


def release(db: Db, id_: str, *, event: str, now: datetime) -> None:
    """Have a held message judged on: by the file after the one that held it.

    What was held for want of a route, because an answer could not go or because its mailbox
    was removed is tried again. Raises Conflict when it is not held.
    """
    found = _reopen(db, id_, event=event, now=now)
    if found is None:
        _try_again(db, id_)
        return
    number, hold = found
    db.execute("UPDATE effects SET state = ? WHERE number = ?", (RELEASED, number))
    db.execute(
        "UPDATE inbox SET state = 'fetched', released = ?, tries = 0 WHERE message = ?",
        (rows.write(hold), id_),
    )


def next_end(db: Db) -> datetime | None:
    """Return when the next hold ends by itself; None: none does."""
    query = "SELECT min(held_until) FROM inbox WHERE held_until IS NOT NULL"
    at = db.execute(query).fetchone()[0]
    return datetime.fromtimestamp(at, UTC) if at is not None else None


def end_due(db: Db, *, now: datetime) -> int:
    """Do what `:then` says with each message whose time is over; return how many there were."""
    query = "SELECT message FROM inbox WHERE held_until <= ? AND outcome = 'held'"
    due = [row[0] for row in db.execute(query, (now.timestamp(),))]
    for id_ in due:
        found = _hold_of(db, id_)
        then = found[1].arguments.get("then") if found else None
        if then in ("reject", "discard"):
            _end(db, id_, str(then), now=now)
        else:
            release(db, id_, event="hold.ended", now=now)
    return len(due)


def _end(db: Db, id_: str, then: str, *, now: datetime) -> None:
    """Plan the rejection, or the discard, that the hold named for its end."""
    found = _reopen(db, id_, event="hold.ended", now=now)
    if found is None:
        return
    number, hold = found
    kind = EffectKind.REJECT if then == "reject" else EffectKind.DISCARD
    reason = str(hold.arguments.get("reason") or hold.reason)
    effect = replace(hold, kind=kind, reason=reason, arguments={"reason": reason})
    db.execute("UPDATE effects SET state = ? WHERE number = ?", (RELEASED, number))
    query = (
        "INSERT INTO effects (message, position, effect, state)"
        " SELECT ?1, count(*), ?2, 'planned' FROM effects WHERE message = ?1"
    )
    db.execute(query, (id_, rows.write(effect)))
    _carry_on(db, id_)


def _reopen(db: Db, id_: str, *, event: str, now: datetime) -> tuple[int, Effect] | None:
    """Take a held message back into work and out of the books; return the hold of a policy."""
    if not is_held(db, id_):
        raise Conflict(f"{id_}: it is not held; gateway log trace {id_} tells its story")
    tenant = db.execute("SELECT tenant FROM message WHERE id = ?", (id_,)).fetchone()[0]
    books.add(db, tenant, "in.held", -1)
    db.execute(
        "UPDATE inbox SET outcome = NULL, rule = NULL, held_until = NULL WHERE message = ?",
        (id_,),
    )
    journal.write(db, id_, event, now=now)
    return _hold_of(db, id_)


def _try_again(db: Db, id_: str) -> None:
    query = "UPDATE effects SET state = 'planned' WHERE message = ? AND state = 'held'"
    db.execute(query, (id_,))
    _carry_on(db, id_)


def _carry_on(db: Db, id_: str) -> None:
    """Have the effects that are planned carried out, with as many tries as at first; without a
    Plan it is judged before."""
    db.execute(
        "UPDATE inbox SET state = iif(plan IS NULL, 'fetched', 'planned'), tries = 0"
        " WHERE message = ?",
        (id_,),
    )


def _hold_of(db: Db, id_: str) -> tuple[int, Effect] | None:
    query = "SELECT number, effect FROM effects WHERE message = ? AND state = 'held'"
    for number, text in db.execute(query, (id_,)):
        effect = rows.read(Effect, text)
        if effect.kind is EffectKind.HOLD:
            return number, effect
    return None
