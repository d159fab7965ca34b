"""What was set aside because it could not be taken in, and is tried again by a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any

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
        "SELECT m.tenant, i.mailbox, length(c.bytes), i.folder, i.uidvalidity, i.uid"
        " FROM inbox i JOIN message m ON m.id = i.message"
        " LEFT JOIN content c ON c.message = i.message"
        f" WHERE i.message = ? AND {ASIDE}",
        (id_,),
    ).fetchone()
    if row is None:
        return False
    tenant, mailbox, size_bytes, *place = row
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
        _fetch_again(db, id_, mailbox, place, now=now)
        tenants.bump(db)  # its watcher looks again
    return True


def _fetch_again(db: Db, id_: str, mailbox: str, place: list[Any], *, now: datetime) -> None:
    """Open its UID, but not under another UIDVALIDITY: there it is another mail's.

    Its own was fetched like a new one when the folder was begun anew.
    """
    folder, uidvalidity, uid = place
    db.execute("DELETE FROM message WHERE id = ?", (id_,))
    at = folders.cursor(db, mailbox, folder)
    if at is not None and at.uidvalidity == uidvalidity:
        folders.open_missed(db, at, [uid], now=now)
