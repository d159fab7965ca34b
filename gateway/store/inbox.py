"""Inbound: what was fetched, its Plan, which effects are done. Three commits a message.

(1) message, UID and journal: `fetched`; (2) authenticity, Plan, effect rows, limit and
duplicate records: `planned`; (3) each effect, with what it queues. A restart resumes at the
recorded state and never plans twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.mail.delivery import Outgoing
from gateway.mail.ids import first_id
from gateway.mail.inbound import METHODS, Authenticity, Fetched
from gateway.mail.message import parse_message
from gateway.mail.plan import Effect, Plan
from gateway.store import books, holds, journal, marks, plans, rows
from gateway.store.queue import accept
from gateway.store.sqlite import Db

HEADER_BYTES = 256 * 1024  # in which the From and Message-ID of any letter stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A fetched message with what is recorded of it; `store.plans` has its Plan."""

    fetched: Fetched
    state: str  # fetched | planned | done
    outcome: str | None  # routed | answered | held | discarded | set_aside
    rule: str | None
    authenticity: Authenticity | None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A message whose Plan or effects are not done."""

    message: str
    mailbox: str
    was_begun: bool  # a try of it did not come to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEffect:
    """One effect of a Plan and whether it was carried out."""

    number: int
    effect: Effect
    state: str  # planned, or how it ended: done | suppressed | routed | answered | held | ...
    reason: str | None


def store_fetched(db: Db, fetched: Fetched, *, stays_open: bool = False, now: datetime) -> bool:
    """Commit 1: keep a message and close its UID; False when it was there already.

    A UID that `stays_open` is closed by `folders.close_uid`, after something was done with it.
    """
    if not _insert(db, fetched, now, state="fetched", stays_open=stays_open):
        return False
    books.add(db, fetched.tenant, "in.fetched", 1)
    db.execute(
        "UPDATE mailbox_states SET last_fetched_at = ? WHERE address = ?",
        (now.timestamp(), fetched.mailbox),
    )
    journal.write(db, fetched.id, "message.fetched", now=now, **_fetched_detail(fetched))
    return True


def set_aside(db: Db, fetched: Fetched, *, error: str, now: datetime) -> bool:
    """Keep a message that could not be taken in, with its error; its mailbox goes on.

    `fetched.content` holds the bytes as far as there are any. False: it was there already.
    """
    if not _insert(db, fetched, now, state="done", outcome="set_aside", rule=error):
        return False
    books.add(db, fetched.tenant, "in.fetched", 1)
    books.add(db, fetched.tenant, "in.set_aside", 1)
    detail = _fetched_detail(fetched)
    fix = f"gateway mailbox replay {fetched.id} once the cause is mended"
    journal.write(
        db, fetched.id, "message.set_aside", now=now, meaning=error, fix=fix, **detail
    )
    return True


def unfinished(db: Db) -> list[Unfinished]:
    """Return the messages whose Plan or effects are not done, oldest first."""
    query = (
        "SELECT message, mailbox, state = 'planned' OR tries > 0 FROM inbox"
        " WHERE state IN ('fetched', 'planned') ORDER BY message"
    )
    return [Unfinished(row[0], row[1], was_begun=bool(row[2])) for row in db.execute(query)]


def fetched_since(db: Db, mailbox: str, at: datetime) -> list[str]:
    """Return the ids of what was fetched from a mailbox since `at`, oldest first."""
    query = "SELECT message FROM inbox WHERE mailbox = ? AND message >= ? ORDER BY message"
    return [row[0] for row in db.execute(query, (mailbox, first_id(at)))]


def begin_try(db: Db, id_: str) -> int:
    """Count a try to judge a message, or to carry its Plan out, committed before it.

    Returns how many there were; the Plan's first is counted with the Plan.
    """
    db.execute("UPDATE inbox SET tries = tries + 1 WHERE message = ?", (id_,))
    query = "SELECT tries FROM inbox WHERE message = ?"
    return int(db.execute(query, (id_,)).fetchone()[0])


def take_back_try(db: Db, ids: Sequence[str]) -> None:
    """Have the last try of each of these messages not count: what ended it was not the mail."""
    query = (
        "UPDATE inbox SET tries = max(0, tries - 1) WHERE message = ?"
        " AND state IN ('fetched', 'planned')"
    )
    db.executemany(query, [(id_,) for id_ in ids])


def load(db: Db, id_: str) -> Inbound | None:
    """Return a fetched message with what is recorded of it, None when there is none.

    Its content is empty once it was removed at its age, long after it was done with.
    """
    row = db.execute(
        "SELECT m.tenant, i.mailbox, i.folder, i.uidvalidity, i.uid, i.internal_date, i.junk,"
        " i.backfill, c.bytes, i.state, i.outcome, i.rule, i.authenticity, i.released"
        " FROM inbox i JOIN message m ON m.id = i.message"
        " LEFT JOIN content c ON c.message = i.message WHERE i.message = ?",
        (id_,),
    ).fetchone()
    if row is None:
        return None
    fetched = Fetched(
        id=id_,
        tenant=row[0],
        mailbox=row[1],
        folder=row[2],
        uidvalidity=row[3],
        uid=row[4],
        internal_date=datetime.fromtimestamp(row[5], UTC),
        junk=bool(row[6]),
        backfill=bool(row[7]),
        content=row[8] or b"",
        released=rows.read(Effect, row[13]) if row[13] else None,
    )
    return Inbound(
        fetched=fetched,
        state=row[9],
        outcome=row[10],
        rule=row[11],
        authenticity=rows.read(Authenticity, row[12]) if row[12] else None,
    )


def store_plan(
    db: Db,
    id_: str,
    authenticity: Authenticity,
    plan: Plan,
    *,
    marked: Sequence[marks.Mark] = (),
    seen_to: int | None = None,
    now: datetime,
) -> bool:
    """Commit 2: keep what was proven and decided; False when it was planned before.

    What ran before a hold that it was released from stays in its trace. Raises marks.Outdated.
    """
    query = "SELECT plan FROM inbox WHERE message = ? AND plan IS NOT NULL"
    for row in db.execute(query, (id_,)).fetchall():
        plan = replace(plan, trace=(*rows.read(Plan, row[0]).trace, *plan.trace))
    changed = db.execute(
        "UPDATE inbox SET state = 'planned', tries = 1, authenticity = ?, plan = ?"
        " WHERE message = ? AND state = 'fetched'",
        (rows.write(authenticity), rows.write(plan), id_),
    )
    if not changed.rowcount:
        return False
    query = "SELECT count(*) FROM effects WHERE message = ?"  # those before a release stay
    done = int(db.execute(query, (id_,)).fetchone()[0])
    db.executemany(
        "INSERT INTO effects (message, position, effect, state) VALUES (?,?,?,'planned')",
        [(id_, at, rows.write(effect)) for at, effect in enumerate(plan.effects, start=done)],
    )
    marks.add(db, marked, seen_to=seen_to, now=now)
    journal.write(db, id_, "message.planned", now=now, **_planned_detail(authenticity, plan))
    return True


def effects(db: Db, id_: str) -> list[StoredEffect]:
    """Return the effects of a message's Plan, in order."""
    query = (
        "SELECT number, effect, state, reason FROM effects WHERE message = ? ORDER BY position"
    )
    return [
        StoredEffect(
            number=row[0], effect=rows.read(Effect, row[1]), state=row[2], reason=row[3]
        )
        for row in db.execute(query, (id_,))
    ]


def finish_effect(
    db: Db,
    id_: str,
    number: int,
    *,
    outgoing: Sequence[Outgoing] = (),
    event: str,
    detail: dict[str, object],
    state: str = "done",
    now: datetime,
) -> bool:
    """Commit 3: an effect's end and what it queues, together; False when it was done before."""
    changed = db.execute(
        "UPDATE effects SET state = ?, reason = ? WHERE number = ? AND state = 'planned'",
        (state, detail.get("reason"), number),
    )
    if not changed.rowcount:
        return False
    for one in outgoing:
        accept(db, one, now=now)
    journal.write(db, id_, event, now=now, **detail)
    return True


def finish(db: Db, id_: str, outcome: str, *, rule: str, now: datetime) -> bool:
    """Close a message whose effects are done: outcome routed, answered, held, discarded."""
    changed = db.execute(
        "UPDATE inbox SET state = 'done', outcome = ?, rule = ?"
        " WHERE message = ? AND state IN ('fetched', 'planned')",
        (outcome, rule, id_),
    )
    if not changed.rowcount:
        return False
    query = "SELECT tenant FROM message WHERE id = ?"
    tenant = db.execute(query, (id_,)).fetchone()[0]
    books.add(db, tenant, f"in.{outcome}", 1)
    fix = f"gateway queue release {id_}" if outcome == "held" else None
    journal.write(db, id_, f"message.{outcome}", now=now, rule=rule, fix=fix)
    if outcome == "held":
        holds.set_time(db, id_, now=now)
    return True


def _insert(
    db: Db,
    fetched: Fetched,
    now: datetime,
    *,
    state: str,
    outcome: str | None = None,
    rule: str | None = None,
    stays_open: bool = False,
) -> bool:
    key = (fetched.mailbox, fetched.folder, fetched.uidvalidity, fetched.uid)
    where = "mailbox = ? AND folder = ? AND uidvalidity = ? AND uid = ?"
    if not stays_open:
        db.execute(f"DELETE FROM open_uids WHERE {where}", key)
    if _is_there(db, fetched, key):
        return False
    message = parse_message(fetched.content[:HEADER_BYTES])
    header_from = next((address for _, address in message.addresses("From")), "")
    db.execute(
        "INSERT INTO message (id, tenant, kind, message_id, header_from, envelope, edits,"
        " size_bytes, accepted_at) VALUES (?,?,'fetched',?,?,'{}','[]',?,?)",
        (
            fetched.id, fetched.tenant, _text(message.message_id), _text(header_from),
            len(fetched.content), now.timestamp(),
        ),
    )  # fmt: skip
    row = (fetched.id, fetched.content)
    db.execute("INSERT INTO content (message, bytes) VALUES (?,?)", row)
    db.execute(
        "INSERT INTO inbox (message, mailbox, folder, uidvalidity, uid, internal_date, sha256,"
        " junk, backfill, state, outcome, rule) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            fetched.id, *key, *_look(fetched), int(fetched.junk), int(fetched.backfill),
            state, outcome, rule,
        ),
    )  # fmt: skip
    return True


def _is_there(db: Db, fetched: Fetched, key: tuple[str, str, int, int]) -> bool:
    """Whether a message was stored before.

    Another one under its UID is numbered below 0: its server was restored from a backup.
    """
    folder = "mailbox = ?1 AND folder = ?2 AND uidvalidity = ?3"
    query = f"SELECT internal_date, sha256 FROM inbox WHERE {folder} AND uid = ?4"
    known = db.execute(query, key).fetchone()
    if known is None:
        return False
    if not fetched.content or not {*known}.isdisjoint(_look(fetched)):
        return True
    lowest = f"SELECT min(uid, 0) - 1 FROM inbox WHERE {folder} ORDER BY uid LIMIT 1"
    db.execute(f"UPDATE inbox SET uid = ({lowest}) WHERE {folder} AND uid = ?4", key)
    return False


def _look(fetched: Fetched) -> tuple[float, bytes]:
    return fetched.internal_date.timestamp(), hashlib.sha256(fetched.content).digest()


def _text(value: str) -> str:
    """A header's text as SQLite takes it: without the surrogates of undecodable bytes."""
    return value.encode("utf-8", "replace").decode()


def _fetched_detail(fetched: Fetched) -> dict[str, object]:
    return {
        "mailbox": fetched.mailbox,
        "folder": fetched.folder,
        "uid": fetched.uid,
        "size_bytes": len(fetched.content),
        "backfill": fetched.backfill or None,
        "junk": fetched.junk or None,
    }


def _planned_detail(authenticity: Authenticity, plan: Plan) -> dict[str, object]:
    reasons = [one.reason for one in authenticity.results if one.method == "dmarc"]
    return {
        "auth": {method: authenticity.result(method) for method in METHODS},
        "auth_reason": reasons[-1] if reasons else None,  # ours: who said what of whom
        **plans.summary(plan),
    }
