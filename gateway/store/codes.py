"""Codes of mailboxes: the one in use, and a candidate that was not tried yet.

A file that brings another code for a mailbox that works makes a candidate of it: the running
server tries it, and only a code that opened everything takes the place of the one before. One
that was refused is remembered as that, for people, until another one is brought or works.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from gateway.store.sealing import Seal
from gateway.store.sqlite import Db

CANDIDATE, REFUSED = "candidate", "refused"
WHERE = "tenant = ? AND kind = ? AND name = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDays:
    """When the code in use was entered; `renewed_on`: by a person who re-authenticated."""

    entered_on: date
    renewed_on: date | None
    is_newer_refused: bool = False  # the one that a file brought since


def is_in_use(db: Db, tenant: str, address: str) -> bool:
    """Whether a mailbox has a code that nothing has found dead."""
    query = f"SELECT 1 FROM secrets WHERE {WHERE}"
    if db.execute(query, (tenant, "mailbox", address)).fetchone() is None:
        return False
    row = db.execute(
        "SELECT state FROM mailbox_states WHERE address = ?", (address,)
    ).fetchone()
    return row is not None and row[0] != "dead"


def propose(db: Db, seal: Seal, tenant: str, address: str, code: str, *, now: datetime) -> None:
    """Keep a candidate, in the place of one before it."""
    drop_candidate(db, tenant, address)
    db.execute(
        "INSERT OR REPLACE INTO secrets (tenant, kind, name, sealed, changed_at)"
        " VALUES (?,?,?,?,?)",
        (tenant, CANDIDATE, address, seal.seal(code), now.timestamp()),
    )


def candidates(db: Db) -> list[tuple[str, str]]:
    """Return (tenant, address) of each mailbox that has a candidate."""
    query = "SELECT tenant, name FROM secrets WHERE kind = ? ORDER BY changed_at"
    return [(row[0], row[1]) for row in db.execute(query, (CANDIDATE,))]


def drop_candidate(db: Db, tenant: str, address: str) -> None:
    """Forget a candidate, a refused one too: another works, or it is not wanted any more."""
    for kind in (CANDIDATE, REFUSED):
        db.execute(f"DELETE FROM secrets WHERE {WHERE}", (tenant, kind, address))


def is_candidate(db: Db, seal: Seal, tenant: str, address: str, code: str) -> bool:
    """Whether a code is the candidate still: while it was tried, a file may have brought
    another one, or a person may have entered one that works."""
    query = f"SELECT sealed FROM secrets WHERE {WHERE}"
    row = db.execute(query, (tenant, CANDIDATE, address)).fetchone()
    return row is not None and seal.open(row[0]) == code


def refuse_candidate(db: Db, seal: Seal, tenant: str, address: str, code: str) -> bool:
    """Remember that a candidate does not work, which is not tried again; False: it is none."""
    if not is_candidate(db, seal, tenant, address, code):
        return False
    update = f"UPDATE secrets SET kind = ? WHERE {WHERE}"
    db.execute(update, (REFUSED, tenant, CANDIDATE, address))
    return True


def note_renewal(db: Db, tenant: str, address: str, *, at: datetime | None) -> None:
    """Record when a person re-authenticated; None: the file's day is the truth again."""
    seconds = at.timestamp() if at else None
    update = f"UPDATE secrets SET renewed_at = ? WHERE {WHERE}"
    db.execute(update, (seconds, tenant, "mailbox", address))


def days(db: Db) -> dict[str, CodeDays]:
    """Return since when each mailbox has its code."""
    rows = db.execute("SELECT name, changed_at, renewed_at FROM secrets WHERE kind = 'mailbox'")
    refused = {
        row[0] for row in db.execute("SELECT name FROM secrets WHERE kind = ?", (REFUSED,))
    }
    return {
        name: CodeDays(
            entered_on=_day(changed),
            renewed_on=_day(renewed) if renewed else None,
            is_newer_refused=name in refused,
        )
        for name, changed, renewed in rows
    }


def generations(db: Db) -> dict[str, str]:
    """Return another word for each mailbox with each code, or permission, that is in use.

    What was made for the one before is void.
    """
    rows = db.execute(
        "SELECT name, changed_at FROM secrets WHERE kind = 'mailbox' UNION ALL"
        " SELECT mailbox, authorized_at FROM grants WHERE authorized_at IS NOT NULL"
    )
    return {name: f"{at:.6f}" for name, at in rows}


def _day(seconds: float) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
