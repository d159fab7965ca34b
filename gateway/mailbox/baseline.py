"""From where on a folder is fetched, and what counts as older than the connection.

The dates are judged here: SEARCH is not to be trusted (QQ, Yandex, iCloud).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Beginning:
    """Above which UID a folder is fetched, which of its messages are, and what is known of
    the looks of others, as far as their date alone will not tell later that they are older."""

    baseline_uid: int
    wanted: list[int]
    below: list[Look]


def find_beginning(
    fetch_from: str,
    listed: Sequence[Listed],
    *,
    next_uid: int | None,
    since: datetime | None,
    now: datetime,
) -> Beginning:
    """Settle where fetching begins, from what a folder holds, ascending.

    From "now" on is what came at `since`, when the mailbox was connected, or later; without
    it, at this first look, only what has `next_uid` (UIDNEXT) or more.
    """
    next_uid = next_uid or max((one.uid for one in listed), default=0) + 1
    oldest = oldest_wanted(fetch_from, since or now)

    def is_wanted(one: Listed) -> bool:
        if fetch_from != "now":
            return is_since(one, oldest)
        is_dated = since is not None and one.internal_date is not None
        return one.uid >= next_uid or (is_dated and is_since(one, oldest))

    wanted = [one.uid for one in listed if is_wanted(one)]
    shortly_before = oldest - 2 * CLOCKS_DIFFER
    others = (one for one in listed if not is_wanted(one) and is_since(one, shortly_before))
    return Beginning(
        baseline_uid=min(wanted, default=next_uid) - 1,
        wanted=wanted,
        below=[look for one in others if (look := _look(one))],
    )


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


def is_given_anew(one: Listed, known: Cursor, dated: datetime | None) -> bool:
    """Return whether a server that gives UIDs anew has given this one since.

    `dated` is the INTERNALDATE of what was fetched under it, if anything was.
    """
    if dated is None:
        return one.uid <= known.baseline_uid and is_since(one, known.connected_at)
    return one.internal_date != dated


def _look(one: Listed) -> Look | None:
    if one.internal_date is None or one.size_bytes is None:
        return None
    return int(one.internal_date.timestamp()), one.size_bytes


def is_since(listed: Listed, oldest: datetime) -> bool:
    """Return whether a message is not older than `oldest`; one without a date is not."""
    return listed.internal_date is None or listed.internal_date >= oldest
