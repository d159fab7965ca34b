"""What must not happen twice or too often: answers given, limits and duplicates of policies.

Nothing looks back further than a year: `vacation` asks for no longer, and for `duplicate` that
is our most (RFC 7352 §3.1 leaves it to us). What is older is forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from gateway.store.errors import StoreError
from gateway.store.sqlite import Db

T = TypeVar("T")
LOOKED_BACK = timedelta(days=366)
MOST_JUDGED = 5  # times


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing that is counted: of a policy run (kind `limit`, `duplicate`), or a `notice`."""

    tenant: str
    kind: str
    handle: str
    key: str


class Outdated(StoreError):
    """What a policy run found to be no duplicate is one by now: it is to be run again."""


async def until_current(judge_and_keep: Callable[[], Awaitable[T]]) -> T:
    """Judge a message and keep that, again where a duplicate of it was kept meanwhile.

    Raises Outdated when its duplicates come one after the other.
    """
    for _ in range(MOST_JUDGED):
        try:
            return await judge_and_keep()
        except Outdated as error:
            outdated = error
    raise outdated


def newest(db: Db) -> int:
    """Return the number of the newest mark: a run that begins now has seen all up to it."""
    return int(db.execute("SELECT coalesce(max(number), 0) FROM marks").fetchone()[0])


def count(db: Db, mark: Mark, *, since: datetime) -> int:
    """Return how often this was marked since then."""
    query = (
        "SELECT count(*) FROM marks WHERE tenant = ? AND kind = ? AND handle = ? AND key = ?"
        " AND at > ?"
    )
    row = db.execute(query, (*_key(mark), since.timestamp())).fetchone()
    return int(row[0])


def add(db: Db, marked: Sequence[Mark], *, seen_to: int | None = None, now: datetime) -> None:
    """Record what a policy run saw, in the transaction of its Plan.

    `seen_to` is `newest` from before the run: raises Outdated where a duplicate was kept since,
    such as the same mail in another folder, or by another session.
    """
    if seen_to is not None and any(_is_outdated(db, one, seen_to) for one in marked):
        raise Outdated("a duplicate of it was kept in this moment; it is judged again")
    db.executemany(
        "INSERT INTO marks (tenant, kind, handle, key, at) VALUES (?,?,?,?,?)",
        [(*_key(one), now.timestamp()) for one in marked],
    )


def last_answer(db: Db, *, tenant: str, handle: str, sender: str) -> datetime | None:
    """Return when this sender last had an answer under this handle, None when never."""
    row = db.execute(
        "SELECT max(at) FROM answers WHERE tenant = ? AND sender = ? AND handle = ?",
        (tenant, sender, handle),
    ).fetchone()
    return datetime.fromtimestamp(row[0], UTC) if row[0] is not None else None


def answers_to(db: Db, *, tenant: str, sender: str, since: datetime) -> int:
    """Return how many automatic answers of any kind a sender had since then."""
    query = "SELECT count(*) FROM answers WHERE tenant = ? AND sender = ? AND at > ?"
    return int(db.execute(query, (tenant, sender, since.timestamp())).fetchone()[0])


def answers_of(db: Db, *, mailbox: str, since: datetime) -> int:
    """Return how many automatic answers a mailbox sent since then."""
    query = "SELECT count(*) FROM answers WHERE mailbox = ? AND at > ?"
    return int(db.execute(query, (mailbox, since.timestamp())).fetchone()[0])


def note_answer(
    db: Db, *, tenant: str, mailbox: str, handle: str, sender: str, now: datetime
) -> None:
    """Record an automatic answer, in the transaction that queues it."""
    db.execute(
        "INSERT INTO answers (tenant, mailbox, handle, sender, at) VALUES (?,?,?,?,?)",
        (tenant, mailbox, handle, sender, now.timestamp()),
    )


def forget(db: Db, *, now: datetime, limit: int = 1000) -> bool:
    """Remove what nobody asks any more, in a small step; True when there may be more."""
    before = (now - LOOKED_BACK).timestamp()
    more = [_forget(db, table, before, limit) for table in ("marks", "answers")]
    return any(more)


def _forget(db: Db, table: str, before: float, limit: int) -> bool:
    """The oldest have the lowest numbers: the rest of the table is not looked at."""
    oldest = f"SELECT number, at FROM {table} ORDER BY number LIMIT ?"
    gone = db.execute(
        f"DELETE FROM {table} WHERE number IN (SELECT number FROM ({oldest}) WHERE at <= ?)",
        (limit, before),
    )
    return gone.rowcount == limit


def _is_outdated(db: Db, mark: Mark, seen_to: int) -> bool:
    """Of a limit one more or less does not count; two of a duplicate would both go on."""
    if mark.kind != "duplicate":
        return False
    where = "tenant = ? AND kind = ? AND handle = ? AND key = ? AND number > ?"
    query = f"SELECT 1 FROM marks WHERE {where} LIMIT 1"
    return db.execute(query, (*_key(mark), seen_to)).fetchone() is not None


def _key(mark: Mark) -> tuple[str, str, str, str]:
    return mark.tenant, mark.kind, mark.handle, mark.key
