"""Where fetching stands in each folder: the highest UID seen and the UIDs still open.

The try counter is committed before each try, so a mail that kills the process is known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gateway.mail.inbound import Fetched
from gateway.mail.tenant import Tenant
from gateway.store.sqlite import Db

NOT_THERE = 0  # in place of a UIDVALIDITY, which is never 0 (RFC 9051 §2.3.1.1)
NOT_SEEN = -1  # nobody has looked since the mailbox was connected
JUNK_TO_COME = "\\Junk"  # in place of a name: the provider makes one with the first junk

Look = tuple[int, int]
"""(INTERNALDATE in seconds since 1970, size in bytes) of a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """One folder under one UIDVALIDITY of one account.

    UIDs up to `baseline_uid` stay unfetched; `below` holds those of them whose date alone
    does not tell that.
    """

    mailbox: str
    folder: str
    uidvalidity: int
    highest_uid: int
    baseline_uid: int
    connected_at: datetime
    below: tuple[Look, ...] = ()


def cursor(db: Db, mailbox: str, folder: str) -> Cursor | None:
    """Return where fetching stands, None when it never began."""
    row = db.execute(
        "SELECT uidvalidity, highest_uid, baseline_uid, connected_at, below FROM folders"
        " WHERE mailbox = ? AND folder = ?",
        (mailbox, folder),
    ).fetchone()
    if row is None:
        return None
    return Cursor(
        mailbox=mailbox,
        folder=folder,
        uidvalidity=row[0],
        highest_uid=row[1],
        baseline_uid=row[2],
        connected_at=datetime.fromtimestamp(row[3], UTC),
        below=tuple((at, size) for at, size in json.loads(row[4])),
    )


def expect_mail(db: Db, before: Tenant | None, tenant: Tenant, *, now: datetime) -> None:
    """Remember from when on folders are fetched: mail may come before the first sign-in.

    `before` is what the tenant was until now. Of a folder that is known nothing changes, but
    what is known of a mailbox that another one had the address of is forgotten.
    """
    known = before.mailboxes if before else {}
    for address, mailbox in tenant.mailboxes.items():
        earlier = known.get(address)
        if earlier is None:
            forget(db, address)  # the watcher of one may write after it was removed
        begins_junk = mailbox.junk != "off" and (earlier is None or earlier.junk == "off")
        for name in (*mailbox.folders, *([JUNK_TO_COME] if begins_junk else [])):
            _expect(db, address, name, now=now)


def forget(db: Db, mailbox: str) -> None:
    """Forget where fetching stands in a mailbox; what was fetched stays."""
    for table in ("folders", "open_uids"):
        db.execute(f"DELETE FROM {table} WHERE mailbox = ?", (mailbox,))


def await_folder(db: Db, mailbox: str, folder: str, *, now: datetime) -> None:
    """Remember that a folder is missed: all that it has when it appears came after that.

    Of a folder that was seen nothing changes.
    """
    _expect(db, mailbox, folder, now=now)
    db.execute(
        "UPDATE folders SET uidvalidity = ? WHERE mailbox = ? AND folder = ?"
        " AND uidvalidity = ?",
        (NOT_THERE, mailbox, folder, NOT_SEEN),
    )


def name_awaited_junk(db: Db, mailbox: str, folder: str) -> Cursor | None:
    """Give the awaited folder for junk its name; None where none was awaited."""
    db.execute(
        "UPDATE folders SET folder = ? WHERE mailbox = ? AND folder = ?",
        (folder, mailbox, JUNK_TO_COME),
    )
    return cursor(db, mailbox, folder)


@dataclass(frozen=True, slots=True)
class Likeness:
    """By what a message is known again under another UIDVALIDITY; the id may be empty, None is
    what the server did not tell."""

    message_id: str | None
    size_bytes: int | None
    internal_date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """How often a UID was tried, this time included; `was_missed`: found by the ledger."""

    number: int = 0
    was_missed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A message of a mailbox with the bytes and INTERNALDATE of another one."""

    message: str
    folder: str
    uidvalidity: int
    uid: int
    junk: bool
    is_held: bool


def start_folder(
    db: Db,
    *,
    mailbox: str,
    folder: str,
    uidvalidity: int,
    baseline_uid: int,
    below: Sequence[Look] = (),
    now: datetime,
) -> Cursor:
    """Begin a folder, or begin it anew under another UIDVALIDITY (RFC 9051 §2.3.1.1).

    A folder that is begun anew keeps the time of its first connection, and what lay there.
    """
    known = cursor(db, mailbox, folder)
    # compared with INTERNALDATE, which has whole seconds
    connected_at = known.connected_at if known else now.replace(microsecond=0)
    below = known.below if known and known.below else tuple(below)
    db.execute(
        "INSERT OR REPLACE INTO folders (mailbox, folder, uidvalidity, highest_uid,"
        " baseline_uid, connected_at, below, checked_at) VALUES (?,?,?,?,?,?,?,?)",
        (
            mailbox, folder, uidvalidity, baseline_uid, baseline_uid, connected_at.timestamp(),
            json.dumps(below), now.timestamp(),
        ),
    )  # fmt: skip
    for table in ("open_uids", "skipped_uids"):
        where = "mailbox = ? AND folder = ?"
        db.execute(f"DELETE FROM {table} WHERE {where}", (mailbox, folder))
    return Cursor(
        mailbox=mailbox,
        folder=folder,
        uidvalidity=uidvalidity,
        highest_uid=baseline_uid,
        baseline_uid=baseline_uid,
        connected_at=connected_at,
        below=below,
    )


def _expect(db: Db, mailbox: str, folder: str, *, now: datetime) -> None:
    if cursor(db, mailbox, folder) is None:
        start_folder(
            db, mailbox=mailbox, folder=folder, uidvalidity=NOT_SEEN, baseline_uid=0, now=now
        )


def note_uids(
    db: Db, at: Cursor, uids: Sequence[int], *, now: datetime
) -> tuple[Cursor, list[int]]:
    """Open the UIDs above the highest; return the cursor and every open UID, ascending."""
    key = (at.mailbox, at.folder, at.uidvalidity)
    fresh = [uid for uid in uids if uid > at.highest_uid]
    db.executemany(
        "INSERT OR IGNORE INTO open_uids (mailbox, folder, uidvalidity, uid, seen_at)"
        " VALUES (?,?,?,?,?)",
        [(*key, uid, now.timestamp()) for uid in fresh],
    )
    highest = max([at.highest_uid, *fresh])
    db.execute(
        "UPDATE folders SET highest_uid = max(highest_uid, ?) WHERE mailbox = ? AND folder = ?"
        " AND uidvalidity = ?",
        (highest, *key),
    )
    where = "mailbox = ? AND folder = ? AND uidvalidity = ?"
    query = f"SELECT uid FROM open_uids WHERE {where} ORDER BY uid"
    still_open = [row[0] for row in db.execute(query, key)]
    return replace(at, highest_uid=highest), still_open


def dates(db: Db, at: Cursor) -> dict[int, datetime]:
    """Return the INTERNALDATE of what was fetched under this UIDVALIDITY, by UID."""
    query = (
        "SELECT uid, internal_date FROM inbox WHERE mailbox = ? AND folder = ?"
        " AND uidvalidity = ?"
    )
    rows = db.execute(query, (at.mailbox, at.folder, at.uidvalidity))
    return {uid: datetime.fromtimestamp(dated, UTC) for uid, dated in rows}


def go_back(db: Db, at: Cursor, highest_uid: int) -> Cursor:
    """Take what is above `highest_uid` for new, as if nothing had been seen of it."""
    baseline_uid = min(at.baseline_uid, highest_uid)
    db.execute(
        "UPDATE folders SET highest_uid = ?, baseline_uid = ? WHERE mailbox = ?"
        " AND folder = ? AND uidvalidity = ?",
        (highest_uid, baseline_uid, at.mailbox, at.folder, at.uidvalidity),
    )
    return replace(at, highest_uid=highest_uid, baseline_uid=baseline_uid)


def begin_try(db: Db, at: Cursor, uid: int) -> Try:
    """Count a try to fetch a UID, committed before it."""
    where = "mailbox = ? AND folder = ? AND uidvalidity = ? AND uid = ?"
    key = (at.mailbox, at.folder, at.uidvalidity, uid)
    db.execute(f"UPDATE open_uids SET tries = tries + 1 WHERE {where}", key)
    row = db.execute(f"SELECT tries, missed FROM open_uids WHERE {where}", key).fetchone()
    return Try(number=row[0], was_missed=bool(row[1])) if row else Try()


def excuse_try(db: Db, at: Cursor, uid: int) -> None:
    """Take back a try that was counted."""
    db.execute(
        "UPDATE open_uids SET tries = max(0, tries - 1) WHERE mailbox = ? AND folder = ?"
        " AND uidvalidity = ? AND uid = ?",
        (at.mailbox, at.folder, at.uidvalidity, uid),
    )


def close_uid(db: Db, at: Cursor, uid: int) -> None:
    """Forget a UID that is done with, or that the server no longer has."""
    where = "mailbox = ? AND folder = ? AND uidvalidity = ? AND uid = ?"
    key = (at.mailbox, at.folder, at.uidvalidity, uid)
    db.execute(f"DELETE FROM open_uids WHERE {where}", key)


def skip_uid(db: Db, at: Cursor, uid: int) -> None:
    """Close a UID for good: too old, or had before under another UIDVALIDITY."""
    close_uid(db, at, uid)
    db.execute(
        "INSERT OR IGNORE INTO skipped_uids (mailbox, folder, uidvalidity, uid)"
        " VALUES (?,?,?,?)",
        (at.mailbox, at.folder, at.uidvalidity, uid),
    )


def known_uids(db: Db, at: Cursor) -> set[int]:
    """Return the UIDs under this UIDVALIDITY that were fetched, set aside or skipped."""
    where = "mailbox = ? AND folder = ? AND uidvalidity = ?"
    key = (at.mailbox, at.folder, at.uidvalidity)
    return {
        row[0]
        for table in ("inbox", "skipped_uids")
        for row in db.execute(f"SELECT uid FROM {table} WHERE {where}", key)
    }


def open_uids(db: Db, at: Cursor) -> set[int]:
    """Return the UIDs that are still to be fetched."""
    query = "SELECT uid FROM open_uids WHERE mailbox = ? AND folder = ? AND uidvalidity = ?"
    return {row[0] for row in db.execute(query, (at.mailbox, at.folder, at.uidvalidity))}


def open_missed(db: Db, at: Cursor, uids: Iterable[int], *, now: datetime) -> None:
    """Open UIDs that were missed; they are fetched as backfill, and never answered."""
    db.executemany(
        "INSERT INTO open_uids (mailbox, folder, uidvalidity, uid, seen_at, missed)"
        " VALUES (?,?,?,?,?,1) ON CONFLICT (mailbox, folder, uidvalidity, uid)"
        " DO UPDATE SET missed = 1",
        [(at.mailbox, at.folder, at.uidvalidity, uid, now.timestamp()) for uid in uids],
    )


def checked_at(db: Db, mailbox: str, folder: str) -> datetime | None:
    """Return when a folder was last compared with the server, None when it never began."""
    query = "SELECT checked_at FROM folders WHERE mailbox = ? AND folder = ?"
    row = db.execute(query, (mailbox, folder)).fetchone()
    return datetime.fromtimestamp(row[0], UTC) if row else None


def note_check(db: Db, at: Cursor, *, now: datetime) -> None:
    """Record that a folder was compared with the server."""
    db.execute(
        "UPDATE folders SET checked_at = ? WHERE mailbox = ? AND folder = ?",
        (now.timestamp(), at.mailbox, at.folder),
    )


def hashes_like(db: Db, at: Cursor, likeness: Likeness) -> list[bytes]:
    """Return the SHA-256 of each message like that which this folder gave us before."""
    query = (
        "SELECT i.sha256 FROM inbox i JOIN message m ON m.id = i.message WHERE i.mailbox = ?"
        " AND i.folder = ? AND m.message_id = coalesce(?, m.message_id)"
        " AND i.internal_date = ? AND m.size_bytes = coalesce(?, m.size_bytes)"
    )
    dated = likeness.internal_date.timestamp()
    key = (at.mailbox, at.folder, likeness.message_id, dated, likeness.size_bytes)
    return [row[0] for row in db.execute(query, key)]


def copies_of(db: Db, fetched: Fetched) -> list[Copy]:
    """Return what its mailbox gave the tenant before: the same mail under another UID.

    Only what has a Message-ID is known again: the others may well be alike.
    """
    query = (
        "SELECT i.message, folder, uidvalidity, uid, junk, coalesce(outcome, '') = 'held'"
        " FROM inbox i JOIN message m ON m.id = i.message"
        " WHERE mailbox = ? AND internal_date = ? AND sha256 = ? AND m.tenant = ?"
        " AND m.message_id <> ''"
    )
    digest = hashlib.sha256(fetched.content).digest()
    dated = fetched.internal_date.timestamp()
    own = (fetched.folder, fetched.uidvalidity, fetched.uid)
    return [
        Copy(
            message=row[0],
            folder=row[1],
            uidvalidity=row[2],
            uid=row[3],
            junk=bool(row[4]),
            is_held=bool(row[5]),
        )
        for row in db.execute(query, (fetched.mailbox, dated, digest, fetched.tenant))
        if row[1:4] != own
    ]
