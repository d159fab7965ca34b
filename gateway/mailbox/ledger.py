"""What the server has against what we have: nothing is lost, and it can be proven.

Every UID above the baseline of a folder was fetched, set aside or skipped for a reason, or is
open. What is none of these was missed: it is fetched now, as backfill, and never answered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.events import watch
from gateway.mailbox.account import Account
from gateway.mailbox.fetch import Fetcher
from gateway.mailbox.sign_in import open_mailbox, watched_folders
from gateway.net.imap import Folder, ImapPools, ImapRefused, ImapSession
from gateway.store import folders
from gateway.store.folders import Cursor
from gateway.store.sqlite import Db, Store

AT_NIGHT_AFTER = timedelta(hours=20)
AT_THE_LATEST = timedelta(hours=30)
NIGHT_ENDS = 5  # o'clock, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One or more folders: messages above the baseline, those we had, and what was missed."""

    server: int = 0
    known: int = 0
    missing: int = 0
    fetched: int = 0
    still_open: int = 0

    def __add__(self, other: Page) -> Page:
        return Page(
            server=self.server + other.server,
            known=self.known + other.known,
            missing=self.missing + other.missing,
            fetched=self.fetched + other.fetched,
            still_open=self.still_open + other.still_open,
        )


class Ledger:
    """Compares the folders of one mailbox and repairs them."""

    def __init__(
        self,
        account: Account,
        store: Store,
        fetcher: Fetcher,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._store = store
        self._fetcher = fetcher
        self._now = now

    async def is_due(self, folder: str) -> bool:
        """Whether it is time to compare a folder: nightly."""
        last = await self._store.read(folders.checked_at, self._account.address, folder)
        return last is not None and is_due(last, now=self._now())

    async def check(
        self, session: ImapSession, folder: Folder, *, junk: bool
    ) -> Page | ImapRefused:
        """Fetch what is new, then compare the selected `folder`, then fetch what was missed.

        Raises Unreachable and StoreError, as the fetcher does.
        """
        taken = await self._fetcher.fetch(session, folder, junk=junk)
        if isinstance(taken, ImapRefused):
            return taken
        at = await self._store.read(folders.cursor, self._account.address, folder.name)
        if at is None:
            return Page()
        listed = await session.messages_above(at.baseline_uid, sizes=False)
        if isinstance(listed, ImapRefused):
            return listed
        uids = {one.uid for one in listed if one.uid <= at.highest_uid}  # newer: not yet ours
        missed = await self._store.write(_open_missed, at, uids, now=self._now())
        if missed:
            self._fetcher.look_again()
            taken = await self._fetcher.fetch(session, folder, junk=junk)
            if isinstance(taken, ImapRefused):
                return taken
        page = await self._store.read(_page, at, uids, missed)
        _tell(at, page)
        return page + Page(still_open=taken)


def is_due(last: datetime, *, now: datetime) -> bool:
    """Return whether a folder is compared now: at night, and at the latest after 30 hours.

    A time that far ahead is that of a clock which was wrong.
    """
    age = now - last
    return abs(age) >= AT_THE_LATEST or (age >= AT_NIGHT_AFTER and now.hour < NIGHT_ENDS)


async def check_all(
    ledger: Ledger, account: Account, secret: str, *, pools: ImapPools
) -> Page | ImapRefused:
    """Compare every folder of a mailbox on a session of its own; raises Unreachable."""
    session = await ImapSession.connect(account.endpoint, pools)
    if isinstance(session, ImapRefused):
        return session
    try:
        opened = await open_mailbox(session, account, secret, says_id=account.says_id)
        if isinstance(opened, ImapRefused):
            return opened
        return await _check_folders(ledger, session, account)
    finally:
        await session.logout()


async def _check_folders(
    ledger: Ledger, session: ImapSession, account: Account
) -> Page | ImapRefused:
    names, junk = await watched_folders(session, account)
    # what was not looked into is not compared either
    if isinstance(junk, ImapRefused):
        return replace(junk, text=f"the folder for junk: {junk.text}")
    total = Page()
    for name in names:
        folder = await session.select(name)
        if isinstance(folder, ImapRefused):
            if name in account.mailbox.folders or folder.code == "BYE":
                return replace(folder, text=f"{name}: {folder.text}")
            continue
        page = await ledger.check(session, folder, junk=name == junk)
        if isinstance(page, ImapRefused):
            return page
        total += page
    return total


def _open_missed(db: Db, at: Cursor, uids: set[int], *, now: datetime) -> set[int]:
    missed = uids - folders.known_uids(db, at) - folders.open_uids(db, at)
    folders.open_missed(db, at, missed, now=now)
    folders.note_check(db, at, now=now)
    return missed


def _page(db: Db, at: Cursor, uids: set[int], missed: set[int]) -> Page:
    known = folders.known_uids(db, at)
    return Page(
        server=len(uids),
        known=len((uids & known) - missed),
        missing=len(missed),
        fetched=len(missed & known),
    )


def _tell(at: Cursor, page: Page) -> None:
    watch.ledger_compared(
        mailbox=at.mailbox,
        folder=at.folder,
        server=page.server,
        known=page.known,
        missing=page.missing,
        fetched=page.fetched,
    )
