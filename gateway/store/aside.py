"""What was set aside because it could not be taken in, and is tried again by a person."""

from __future__ import annotations

from datetime import datetime

from gateway.store import books, folders, journal, tenants
from gateway.store.sqlite import Db

ASIDE = "i.outcome = 'set_aside'"


def of_mailbox(db: Db, address: str) -> list[str]:
    """Return the ids of what was set aside of a mailbox, oldest first."""
    query = f"SELECT i.message FROM inbox i WHERE i.mailbox = ? AND {ASIDE} ORDER BY i.message"
    return [row[0] for row in db.execute(query, (address,))]


def replay(db: Db, id_: str, *, now: datetime) -> bool:
    """Have a message that was set aside judged again, as backfill; False: it is not aside.

    One whose bytes the server could not give is forgotten, and its UID is open again.
    """
    row = db.execute(
        "SELECT m.tenant, i.mailbox, i.folder, length(c.bytes), i.uid FROM inbox i"
        " JOIN message m ON m.id = i.message LEFT JOIN content c ON c.message = i.message"
        f" WHERE i.message = ? AND {ASIDE}",
        (id_,),
    ).fetchone()
    if row is None:
        return False
    tenant, mailbox, folder, size_bytes, uid = row
    books.add(db, tenant, "in.set_aside", -1)
    journal.write(db, id_, "message.replayed", now=now)
    if size_bytes:
        db.execute(
            "UPDATE inbox SET state = 'fetched', outcome = NULL, rule = NULL, tries = 0,"
            " backfill = 1 WHERE message = ?",
            (id_,),
        )
    else:
        books.add(db, tenant, "in.fetched", -1)
        _fetch_again(db, id_, mailbox, folder, uid=uid, now=now)
        tenants.bump(db)  # its watcher looks again
    return True


def _fetch_again(
    db: Db, id_: str, mailbox: str, folder: str, *, uid: int, now: datetime
) -> None:
    db.execute("DELETE FROM message WHERE id = ?", (id_,))
    if at := folders.cursor(db, mailbox, folder):
        folders.open_missed(db, at, [uid], now=now)
