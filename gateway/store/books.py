"""The books: what was accepted or fetched, and what became of it. They must balance.

Entries are counted in the transaction of what they count; what waits is counted from the
rows themselves. A difference means that something was lost or counted twice: an alert.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.mail.delivery import OF_SENDERS, LaneKind
from gateway.store.sqlite import Db

WAITING = "('scheduled', 'queued', 'claimed', 'deferred', 'held')"
PAGES = ("out", "route", "hook", "sent", "capture")  # of what leaves
OUTCOMES = ("routed", "answered", "held", "discarded", "set_aside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """Recipients: accepted = delivered + failed + waiting + removed."""

    accepted: int
    delivered: int
    failed: int
    waiting: int
    removed: int  # by a person

    @property
    def difference(self) -> int:
        """Zero, or a broken promise."""
        return self.accepted - self.delivered - self.failed - self.waiting - self.removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """Messages: fetched = routed + answered + held + discarded + set_aside + waiting."""

    fetched: int
    routed: int
    answered: int
    held: int
    discarded: int  # by a named rule
    set_aside: int  # could not be read: kept for replay
    waiting: int  # fetched, the Plan not carried out yet

    @property
    def difference(self) -> int:
        """Zero, or a broken promise."""
        done = self.routed + self.answered + self.held + self.discarded + self.set_aside
        return self.fetched - done - self.waiting


def side(kind: LaneKind) -> str:
    """Return on which page a lane is booked: `out`, `route`, `hook`, `sent` or `capture`."""
    return "out" if kind in OF_SENDERS else kind.value


def add(db: Db, tenant: str, entry: str, count: int) -> None:
    """Add `count` to an entry."""
    if count:
        db.execute(
            "INSERT INTO books (tenant, entry, count) VALUES (?,?,?)"
            " ON CONFLICT (tenant, entry) DO UPDATE SET count = count + excluded.count",
            (tenant, entry, count),
        )


def outbound(db: Db, *, page: str = "out") -> Outbound:
    """Return a page of what leaves, or was to (`capture`); see `PAGES`."""
    kinds = "('upstream', 'none')" if page == "out" else f"('{page}')"
    waiting = db.execute(
        f"SELECT count(*) FROM delivery WHERE state IN {WAITING} AND lane_kind IN {kinds}"
    ).fetchone()[0]
    entries = ("accepted", "delivered", "failed", "removed")
    totals = {entry: _total(db, f"{page}.{entry}") for entry in entries}
    return Outbound(waiting=waiting, **totals)


def inbound(db: Db) -> Inbound:
    """Return the books of what was fetched."""
    query = "SELECT count(*) FROM inbox WHERE state IN ('fetched', 'planned')"
    waiting = db.execute(query).fetchone()[0]
    totals = {entry: _total(db, f"in.{entry}") for entry in ("fetched", *OUTCOMES)}
    return Inbound(waiting=waiting, **totals)


def _total(db: Db, entry: str) -> int:
    query = "SELECT coalesce(sum(count), 0) FROM books WHERE entry = ?"
    return int(db.execute(query, (entry,)).fetchone()[0])
