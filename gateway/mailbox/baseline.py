"""From where on a folder is fetched, and what counts as older than the connection.

The dates are judged here: SEARCH is not to be trusted (QQ, Yandex, iCloud).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.net.imap import Folder, Listed
from gateway.store import folders
from gateway.store.folders import Cursor, Look
from gateway.store.sqlite import Db

CLOCKS_DIFFER = timedelta(minutes=10)
DAYS = timedelta(days=1)


def oldest_wanted(fetch_from: str, connected_at: datetime) -> datetime:
    """Return from when on mail is fetched: `now`, or as many days before as `30d` says."""
    if fetch_from == "now":
        return connected_at
    return connected_at - int(fetch_from.rstrip("d")) * DAYS


def is_backfill(fetch_from: str, at: Cursor, dated: datetime) -> bool:
    """Return whether a message is older than the connection.

    From "now" on a UID above the baseline came after it; an old date there is that of a
    message a person has moved in, and clocks may differ. Else the date alone can tell:
    INTERNALDATE is in whole seconds.
    """
    tolerance = CLOCKS_DIFFER if fetch_from == "now" else timedelta(seconds=1)
    return dated < at.connected_at - tolerance


def begin_folder(
    db: Db,
    mailbox: str,
    folder: Folder,
    *,
    baseline_uid: int,
    below: Sequence[Look],
    uids: Sequence[int],
    wanted: frozenset[int],
    now: datetime,
) -> Cursor:
    """Begin a folder; of `uids`, which all count as seen, those `wanted` are open."""
    at = folders.start_folder(
        db,
        mailbox=mailbox,
        folder=folder.name,
        uidvalidity=folder.uidvalidity,
        baseline_uid=baseline_uid,
        below=below,
        now=now,
    )
    at, still_open = folders.note_uids(db, at, uids, now=now)
    for uid in still_open:
        if uid not in wanted:
            folders.skip_uid(db, at, uid)
    return at


def below_baseline(listed: Sequence[Listed], *, now: datetime) -> list[Look]:
    """Return what was there before us, as far as its date alone will not tell that later."""
    looks = [_look(one) for one in listed if is_since(one, now - 2 * CLOCKS_DIFFER)]
    return [look for look in looks if look is not None]


def find_recent(fetch_from: str, known: Cursor, listed: Sequence[Listed]) -> list[Listed]:
    """Return what of a folder that was numbered anew is not older than the connection.

    The server's clock may differ from ours, so what came shortly before it is told by its
    looks; a message that is not surely one of these is fetched.
    """
    oldest = oldest_wanted(fetch_from, known.connected_at - CLOCKS_DIFFER)
    below = Counter[Look | None](known.below)
    recent = []
    for one in listed:
        if not is_since(one, oldest):
            continue
        if below[_look(one)]:
            below[_look(one)] -= 1
        else:
            recent.append(one)
    return recent


def _look(one: Listed) -> Look | None:
    if one.internal_date is None or one.size_bytes is None:
        return None
    return int(one.internal_date.timestamp()), one.size_bytes


def is_since(listed: Listed, oldest: datetime) -> bool:
    """Return whether a message is not older than `oldest`; one without a date is not."""
    return listed.internal_date is None or listed.internal_date >= oldest
