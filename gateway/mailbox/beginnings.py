"""Settles from which UID on each folder of a mailbox is fetched.

By the time when the mailbox was connected: mail may come before the first sign-in. A folder
that cannot be opened yet is awaited: what comes into it from then on is new, also what came
before we saw it. After a UIDVALIDITY change only what is new is taken (see `renumbering`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from gateway.events import watch
from gateway.mailbox.account import Account
from gateway.mailbox.baseline import (
    begin_folder,
    find_beginning,
    find_recent,
    is_given_anew,
)
from gateway.mailbox.listing import Listing, read_content
from gateway.mailbox.renumbering import Renumbering
from gateway.mailbox.rounds import Rounds
from gateway.net.imap import Folder, ImapRefused, ImapSession, Listed
from gateway.store import folders
from gateway.store.folders import Cursor, Look
from gateway.store.sqlite import Store

LOOKED_BACK = 100  # UIDs below the next one, for what came shortly before the first sign-in


class Beginnings:
    """Where fetching begins, and where it stands, in the folders of one mailbox."""

    def __init__(
        self, account: Account, store: Store, *, listing: Listing, now: Callable[[], datetime]
    ) -> None:
        self._account = account
        self._store = store
        self._listing = listing
        self._now = now
        self._renumbering = Renumbering(store, content=read_content)

    async def settle(self, rounds: Rounds) -> ImapRefused | None:
        """Settle it for every folder of a round, before anybody is told that mail is watched.

        Raises Unreachable and StoreError.
        """
        if rounds.awaits_junk:
            await self._await(folders.JUNK_TO_COME)
        for name in rounds.names:
            folder = await rounds.select(name)
            if isinstance(folder, ImapRefused):
                if rounds.ends(name, folder):
                    return folder
                await self._await(name)
                continue
            at = await self.cursor(rounds.session, folder, junk=name == rounds.junk)
            if isinstance(at, ImapRefused):
                return at
        return None

    async def cursor(
        self, session: ImapSession, folder: Folder, *, junk: bool
    ) -> Cursor | ImapRefused:
        """Return where the selected `folder` stands; raises Unreachable and StoreError."""
        address = self._account.address
        folder = self._account.own(folder)
        known = await self._store.read(folders.cursor, address, folder.name)
        if known is None and junk:
            known = await self._store.write(folders.name_awaited_junk, address, folder.name)
        if known is not None and known.uidvalidity == folder.uidvalidity:
            is_behind = folder.next_uid is not None and folder.next_uid <= known.highest_uid
            return await self._doubted(session, folder, known) if is_behind else known
        if known is None or known.uidvalidity == folders.NOT_SEEN:
            since = known.connected_at if known else None
            return await self._first(session, folder, since=since)
        listed = await self._listing.messages(session, folder.name, above=0)
        if isinstance(listed, ImapRefused):
            return listed
        if known.uidvalidity == folders.NOT_THERE:
            recent = find_recent(self._account.mailbox.fetch_from, known, listed)
            came = [one.uid for one in recent]
            return await self._begin(folder, 0, listed=listed, wanted=came)
        return await self._renumbered(session, folder, known, listed=listed)

    async def _await(self, name: str) -> None:
        now = self._now()
        await self._store.write(folders.await_folder, self._account.address, name, now=now)

    async def _first(
        self, session: ImapSession, folder: Folder, *, since: datetime | None
    ) -> Cursor | ImapRefused:
        """Begin a folder that nobody has looked into; `since` is when it was connected, where
        that was before this session."""
        fetch_from, now = self._account.mailbox.fetch_from, self._now()
        next_uid = folder.next_uid if fetch_from == "now" else None
        above = max(0, next_uid - 1 - LOOKED_BACK) if next_uid else 0
        while True:
            listed = await self._listing.messages(session, folder.name, above=above)
            if isinstance(listed, ImapRefused):
                return listed
            found = find_beginning(fetch_from, listed, next_uid=next_uid, since=since, now=now)
            if above == 0 or found.baseline_uid == above + LOOKED_BACK:
                break
            above = 0  # mail came before this session: there may be more, also below old mail
        return await self._begin(
            folder, found.baseline_uid, below=found.below, listed=listed, wanted=found.wanted
        )

    async def _doubted(
        self, session: ImapSession, folder: Folder, known: Cursor
    ) -> Cursor | ImapRefused:
        """Go back to where the server is: it gives UIDs anew that it gave before.

        A server restored from a backup does, under the UIDVALIDITY of before. What is ours
        already is told by its content when it is read again.
        """
        listed = await self._listing.messages(session, folder.name, above=0)
        if isinstance(listed, ImapRefused):
            return listed
        next_uid = folder.next_uid or 0
        if listed and listed[-1].uid >= next_uid:  # the UIDNEXT is old, or none to believe
            return known
        dates = await self._store.read(folders.dates, known)
        anew = [one.uid for one in listed if is_given_anew(one, known, dates.get(one.uid))]
        return await self._store.write(folders.go_back, known, min([next_uid, *anew]) - 1)

    async def _renumbered(
        self, session: ImapSession, folder: Folder, known: Cursor, *, listed: list[Listed]
    ) -> Cursor | ImapRefused:
        """Begin a folder anew: open what is neither known nor older than the connection."""
        recent = find_recent(self._account.mailbox.fetch_from, known, listed)
        wanted = await self._renumbering.find_new(session, known, recent)
        if isinstance(wanted, ImapRefused):
            return wanted
        watch.mailbox_renumbered(
            mailbox=known.mailbox, folder=known.folder, messages=len(listed), new=len(wanted)
        )
        return await self._begin(folder, 0, listed=listed, wanted=wanted)

    async def _begin(
        self,
        folder: Folder,
        baseline_uid: int,
        *,
        below: Sequence[Look] = (),
        listed: Sequence[Listed] = (),
        wanted: Iterable[int] = (),
    ) -> Cursor:
        return await self._store.write(
            begin_folder,
            self._account.address,
            folder,
            baseline_uid=baseline_uid,
            below=below,
            uids=[one.uid for one in listed if one.uid > baseline_uid],
            wanted=frozenset(wanted),
            now=self._now(),
        )
