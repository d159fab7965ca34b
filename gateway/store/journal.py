"""What happened to each message, for people: one timeline, both directions.

Rows are written in the transaction of what they tell. The search index is filled when
somebody searches, so that the hot path never pays for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from sqlite_utils import Database

from gateway.store.sqlite import Db

RECENT = 1000  # so many of the newest are looked through for the id that was meant
NEAR = 0.9  # of 18 characters one or two may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the journal."""

    number: int
    message: str
    at: datetime
    event: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One message as a search finds it."""

    id: str
    tenant: str
    kind: str
    message_id: str
    header_from: str
    recipients: tuple[str, ...]
    states: tuple[str, ...]
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The life of one message, and of what it caused: its answers, bounces and forwards."""

    id: str
    direction: str  # out | in
    tenant: str
    message_id: str
    entries: tuple[Entry, ...]


def write(db: Db, message: str, event: str, *, now: datetime, **detail: object) -> None:
    """Add a row; details that are None are left out, times are kept in UTC with Z."""
    kept = {key: value for key, value in detail.items() if value is not None}
    text = json.dumps(kept, ensure_ascii=False, default=_with_z)
    db.execute(
        "INSERT INTO journal (message, at, event, detail) VALUES (?,?,?,?)",
        (message, now.timestamp(), event, text),
    )


def was_interrupted(db: Db, message: str) -> bool:
    """Whether the gateway ended while the message was being sent: perhaps it was."""
    query = "SELECT 1 FROM journal WHERE message = ? AND event = 'delivery.interrupted' LIMIT 1"
    return db.execute(query, (message,)).fetchone() is not None


def find_message(db: Db, name: str) -> str | None:
    """Return our id for ours, a Message-ID with or without brackets, or an upstream's id."""
    by_message_id = (  # the second condition is the index's: without it all are looked at
        "SELECT id FROM message WHERE message_id = ? AND message_id <> ''"
        " ORDER BY accepted_at LIMIT 1"
    )
    by_learned_id = (
        "SELECT m.id FROM threads t JOIN message m ON m.message_id = t.ours"
        " AND m.tenant = t.tenant AND m.message_id <> '' WHERE t.id = ?"
        " ORDER BY m.accepted_at LIMIT 1"
    )
    by_upstream_id = (  # the newest: some servers begin to count anew
        "SELECT message FROM delivery WHERE upstream_id = ? ORDER BY number DESC LIMIT 1"
    )
    queries = (
        ("SELECT id FROM message WHERE id = ?", name.upper()),
        (by_message_id, name),
        (by_message_id, f"<{name}>"),
        (by_upstream_id, name),
        (by_upstream_id, name.strip("<>")),
        (by_learned_id, f"<{name.strip('<>')}>"),
    )
    for query, value in queries:
        if row := db.execute(query, (value,)).fetchone():
            return str(row[0])
    return None


def timeline(db: Db, name: str) -> Timeline | None:
    """Return the timeline of the message that `name` names, None when there is none.

    It tells the whole story: what caused the message, and what it caused in turn (forwards,
    answers, bounces, events).
    """
    id_ = find_message(db, name)
    if id_ is None:
        return None
    query = "SELECT tenant, kind, message_id FROM message WHERE id = ?"
    tenant, kind, message_id = db.execute(query, (id_,)).fetchone()
    rows = db.execute(
        "WITH RECURSIVE up(id, origin) AS (SELECT id, origin FROM message WHERE id = ?"
        " UNION SELECT m.id, m.origin FROM message m JOIN up ON m.id = up.origin),"
        " story(id) AS (SELECT id FROM up UNION SELECT m.id FROM message m JOIN story"
        " ON m.origin = story.id)"
        " SELECT number, message, at, event, detail FROM journal"
        " WHERE message IN (SELECT id FROM story) ORDER BY at, number",
        (id_,),
    )
    direction = "in" if kind == "fetched" else "out"
    return Timeline(
        id=id_,
        direction=direction,
        tenant=tenant,
        message_id=message_id,
        entries=tuple(_entry(row) for row in rows),
    )


def tail(db: Db, *, after: int, limit: int = 500) -> list[Entry]:
    """Return the rows after number `after`, oldest first."""
    rows = db.execute(
        "SELECT number, message, at, event, detail FROM journal WHERE number > ?"
        " ORDER BY number LIMIT ?",
        (after, limit),
    )
    return [_entry(row) for row in rows]


def last_number(db: Db) -> int:
    """Return the number of the newest row, 0 when there is none."""
    return int(db.execute("SELECT coalesce(max(number), 0) FROM journal").fetchone()[0])


def search(
    db: Db, words: Sequence[str], *, tenant: str | None = None, limit: int = 50
) -> list[Summary]:
    """Return the newest messages whose addresses, ids or replies hold each of `words`.

    One may have blanks in it; it has three characters at least, for parts are found by those.
    """
    _fill_index(db)
    terms = " AND ".join('"' + word.replace('"', '""') + '"' for word in words)
    query = (
        "SELECT message FROM found WHERE found MATCH ? GROUP BY message ORDER BY message DESC"
    )
    ids = [row[0] for row in db.execute(query, (terms,)).fetchall()]
    summaries = (_summary(db, id_) for id_ in ids)
    wanted = (one for one in summaries if one and tenant in (None, one.tenant))
    return [one for one, _ in zip(wanted, range(limit), strict=False)]


def unknown_message(db: Db, name: str) -> str:
    """Return the sentence for a name that no message has, with the nearest id of ours."""
    near = get_close_matches(name.upper(), _newest(db, RECENT), n=1, cutoff=NEAR)
    hint = f"did you mean {near[0]}?" if near else "gateway log search finds one by address"
    return f"there is no message '{name}'; {hint}"


def _fill_index(db: Db) -> None:
    """Index the journal rows that came since the last search, by trigrams: parts are found."""
    tables = Database(db, execute_plugins=False)
    if "found" not in tables.table_names():
        db.execute(
            "CREATE VIRTUAL TABLE found USING fts5(message UNINDEXED, text, tokenize='trigram')"
        )
    row = db.execute("SELECT value FROM counters WHERE name = 'indexed'").fetchone()
    last = last_number(db)
    db.execute(
        "INSERT INTO found (rowid, message, text) SELECT j.number, j.message,"
        " j.message || ' ' || m.message_id || ' ' || m.header_from || ' ' || j.detail"
        " FROM journal j JOIN message m ON m.id = j.message"
        " WHERE j.number > ? AND j.number <= ?",
        (row[0] if row else 0, last),
    )
    db.execute("INSERT OR REPLACE INTO counters (name, value) VALUES ('indexed', ?)", (last,))


def _newest(db: Db, limit: int) -> list[str]:
    query = "SELECT id FROM message ORDER BY id DESC LIMIT ?"
    return [row[0] for row in db.execute(query, (limit,))]


def _summary(db: Db, id_: str) -> Summary | None:
    row = db.execute(
        "SELECT tenant, kind, message_id, header_from, accepted_at FROM message WHERE id = ?",
        (id_,),
    ).fetchone()
    if row is None:
        return None
    query = (
        "SELECT recipient,"
        " iif(lane_kind = 'capture' AND state = 'delivered', 'captured', state) FROM delivery"
        " WHERE message = ? ORDER BY number LIMIT 20"
    )
    owed = db.execute(query, (id_,)).fetchall()
    inbound = db.execute(
        "SELECT mailbox, coalesce(outcome, state) FROM inbox WHERE message = ?", (id_,)
    ).fetchall()
    return Summary(
        id=id_,
        tenant=row[0],
        kind=row[1],
        message_id=row[2],
        header_from=row[3],
        recipients=tuple(one[0] for one in owed + inbound),
        states=tuple(one[1] for one in owed + inbound),
        accepted_at=datetime.fromtimestamp(row[4], UTC),
    )


def _entry(row: tuple[Any, ...]) -> Entry:
    number, message, at, event, detail = row
    when = datetime.fromtimestamp(at, UTC)
    return Entry(
        number=number, message=message, at=when, event=event, detail=json.loads(detail)
    )


def _with_z(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
