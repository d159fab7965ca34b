"""New UIDs -> stored messages, each once per UIDVALIDITY (RFC 9051 §2.3.1.1).

The cursor is the highest UID seen and the UIDs still open; it is committed with the message.
A try is counted before it is made: a message that ends the process three times is set aside
with its bytes, one that the server cannot give is set aside without, and the mailbox goes
on. What failed before is tried after the others. A lost connection is not held against a
message until it has been lost often; a BYE is: Dovecot says so of mail it cannot read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from gateway.events import watch
from gateway.mail.ids import new_id
from gateway.mail.inbound import Fetched
from gateway.mailbox.account import Account
from gateway.mailbox.baseline import is_backfill
from gateway.mailbox.beginnings import Beginnings
from gateway.mailbox.listing import Listing, find_excess, read_content
from gateway.mailbox.moved import find_earlier
from gateway.net.imap import Folder, ImapRefused, ImapSession, Listed
from gateway.net.unreachable import Unreachable
from gateway.store import folders, inbox
from gateway.store.errors import StoreError
from gateway.store.folders import Cursor
from gateway.store.sqlite import Store

TRIES = 3
TRIES_WITH_BYTES = 6  # from the fourth on it is set aside; if even that fails, without bytes
EXCUSED = 20  # lost connections a message

Numbers = tuple[str, int]
"""(name, UIDVALIDITY) of a folder."""


class Fetcher:
    """Takes the new messages of one mailbox into the store; `arrived` is told each id."""

    def __init__(
        self,
        account: Account,
        store: Store,
        *,
        arrived: Callable[[str], None],
        now: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._store = store
        self._arrived = arrived
        self._now = now
        self._listing = Listing()
        self.beginnings = Beginnings(account, store, listing=self._listing, now=now)
        self._nothing_open: set[Numbers] = set()  # of folders, to spare them a commit
        self._excused: dict[tuple[str, int], int] = {}  # tries that the network ended
        self._failed: dict[tuple[str, int], int] = {}
        self._faults: dict[tuple[str, int], str] = {}
        self._missed: set[tuple[str, int]] = set()

    def look_again(self) -> None:
        """Forget that nothing was open: another process may have opened a UID."""
        self._nothing_open = set()  # what is fetched now was noted before that

    async def fetch(
        self, session: ImapSession, folder: Folder, *, junk: bool = False
    ) -> int | ImapRefused:
        """Store what is new in the selected `folder`; return how many UIDs stay open.

        Raises Unreachable, and StoreError when there is no room: the mail stays where it is.
        """
        at = await self.beginnings.cursor(session, folder, junk=junk)
        if isinstance(at, ImapRefused):
            return at
        listed = await self._listing.messages(session, folder.name, above=at.highest_uid)
        if isinstance(listed, ImapRefused):
            return listed
        if not listed and (at.folder, at.uidvalidity) in self._nothing_open:
            return 0
        uids, nothing_open = [one.uid for one in listed], self._nothing_open
        noted, wanted = await self._store.write(folders.note_uids, at, uids, now=self._now())
        found = await self._find(session, folder.name, wanted, listed=listed)
        if isinstance(found, ImapRefused):
            return found
        taken = await self._take_all(session, noted, wanted=wanted, found=found, junk=junk)
        if taken == 0:
            nothing_open.add((at.folder, at.uidvalidity))
        return taken

    async def _find(
        self, session: ImapSession, folder: str, wanted: list[int], *, listed: list[Listed]
    ) -> dict[int, Listed] | ImapRefused:
        """Return what is known of each wanted UID; one that is not listed is gone."""
        found = {one.uid: one for one in listed}
        older = [uid for uid in wanted if uid not in found]
        if older:
            again = await self._listing.messages(session, folder, above=older[0] - 1)
            if isinstance(again, ImapRefused):
                return again
            found |= {one.uid: one for one in again}
        return found

    async def _take_all(
        self,
        session: ImapSession,
        at: Cursor,
        *,
        wanted: list[int],
        found: dict[int, Listed],
        junk: bool,
    ) -> int | ImapRefused:
        still_open = 0
        self._nothing_open.discard((at.folder, at.uidvalidity))
        for uid in sorted(wanted, key=lambda uid: self._failed.get((at.folder, uid), 0)):
            if uid not in found:  # a person moved or deleted it before we came
                await self._store.write(folders.close_uid, at, uid)
                continue
            key = (at.folder, uid)
            self._failed[key] = self._failed.get(key, 0) + 1
            done = await self._take(session, at, found[uid], junk=junk)
            if isinstance(done, ImapRefused):
                return done
            still_open += not done
            if done:
                self._forget(key)
        if not still_open:
            self._listing.ask_sizes_again(at.folder)
        return still_open

    async def _take(
        self, session: ImapSession, at: Cursor, listed: Listed, *, junk: bool
    ) -> bool | ImapRefused:
        """Try one message: True closes its UID, ImapRefused ends the session."""
        key = (at.folder, listed.uid)
        begun = await self._store.write(folders.begin_try, at, listed.uid)
        tries = begun.number
        if begun.was_missed:
            self._missed.add(key)
        if tries > TRIES_WITH_BYTES:
            error = self._faults.get(key, "it could not be taken in, nor be set aside")
            return await self._set_aside(self._fetched(at, listed, b"", junk=junk), error)
        try:
            content = await read_content(session, listed)
        except (Unreachable, asyncio.CancelledError):
            await self._excuse(at, listed.uid)
            raise
        if isinstance(content, ImapRefused) and content.code == "BYE" and tries < TRIES:
            return content
        if isinstance(content, ImapRefused) or content is None:
            return await self._not_given(session, at, listed, answer=content, tries=tries)
        fetched = self._fetched(at, listed, content, junk=junk)
        if tries > TRIES:
            error = self._faults.get(key, "the gateway ended three times while taking it in")
            return await self._set_aside(fetched, error)
        if excess := find_excess(content):
            return await self._set_aside(fetched, excess)
        earlier = await find_earlier(session, self._store, fetched)
        if isinstance(earlier, str):
            await self._store.write(folders.skip_uid, at, fetched.uid)
            watch.message_moved(message_id=earlier, mailbox=at.mailbox, folder=at.folder)
            return True
        return earlier or await self._store_one(session, at, fetched)

    async def _excuse(self, at: Cursor, uid: int) -> None:
        """Take back a try that says nothing of its message, for a next life of ours, too."""
        key = (at.folder, uid)
        self._excused[key] = self._excused.get(key, 0) + 1
        if self._excused[key] <= EXCUSED:
            await self._store.write(folders.excuse_try, at, uid)

    def _forget(self, key: tuple[str, int]) -> None:
        for memory in (self._excused, self._failed, self._faults):
            memory.pop(key, None)
        self._missed.discard(key)

    async def _not_given(
        self,
        session: ImapSession,
        at: Cursor,
        listed: Listed,
        *,
        answer: ImapRefused | None,
        tries: int,
    ) -> bool | ImapRefused:
        """Set a UID aside whose bytes did not come, unless its message is gone, or may yet."""
        if answer is None or answer.code != "BYE":
            there = await session.messages_above(listed.uid - 1, sizes=False)
            if isinstance(there, ImapRefused):
                return there
            if all(one.uid != listed.uid for one in there):
                await self._store.write(folders.close_uid, at, listed.uid)
                return True
        if tries < TRIES:
            return False
        said = f": {answer.code} {answer.text}" if answer else ""
        error = f"its bytes could not be had{said}"
        fetched = self._fetched(at, listed, b"", junk=False)
        is_aside = await self._set_aside(fetched, error)
        return answer if answer and answer.code == "BYE" else is_aside

    async def _store_one(
        self, session: ImapSession, at: Cursor, fetched: Fetched
    ) -> bool | ImapRefused:
        key = (fetched.folder, fetched.uid)
        try:
            is_new = await self._store.write_content(
                len(fetched.content),
                inbox.store_fetched,
                fetched,
                stays_open=self._marks(fetched.folder),
                now=self._now(),
            )
        except StoreError:  # no room: nothing is wrong with the message
            await self._excuse(at, fetched.uid)
            raise
        except Exception as error:  # noqa: BLE001 - one message must not stop a mailbox
            self._faults[key] = f"{type(error).__name__} while it was stored"
            watch.message_not_stored(mailbox=fetched.mailbox, uid=fetched.uid, error=error)
            return False
        if is_new:
            watch.message_fetched(
                message_id=fetched.id,
                mailbox=fetched.mailbox,
                folder=fetched.folder,
                uid=fetched.uid,
                size_bytes=len(fetched.content),
            )
            self._arrived(fetched.id)
        if not self._marks(fetched.folder):
            return True
        # it is ours: what ends the session now says nothing of it
        await self._excuse(at, fetched.uid)
        return await self._mark(session, at, fetched)

    def _marks(self, folder: str) -> bool:
        """Whether something is done after fetching; what is moved to its folder would be new
        there, for ever."""
        return self._account.mailbox.after_fetch not in ("leave", f"move:{folder}")

    async def _mark(
        self, session: ImapSession, at: Cursor, fetched: Fetched
    ) -> bool | ImapRefused:
        """Do what `after_fetch` says, then close the UID: a crash in between costs nothing.

        The message is ours already, so a no is only told.
        """
        action, _, target = self._account.mailbox.after_fetch.partition(":")
        if action == "seen":
            refused = await session.mark_seen(fetched.uid)
        else:
            refused = await session.move(fetched.uid, target)
        if refused is not None and refused.code == "BYE":
            return refused
        if refused is not None:
            watch.after_fetch_refused(
                mailbox=self._account.address, action=action, uid=fetched.uid, text=refused.text
            )
        await self._store.write(folders.close_uid, at, fetched.uid)
        return True

    async def _set_aside(self, fetched: Fetched, error: str) -> bool:
        try:
            is_new = await self._store.write_content(
                len(fetched.content), inbox.set_aside, fetched, error=error, now=self._now()
            )
        except StoreError:
            raise
        except Exception as failure:  # noqa: BLE001 - as above
            watch.message_not_stored(mailbox=fetched.mailbox, uid=fetched.uid, error=failure)
            return False
        if is_new:
            watch.message_set_aside(
                message_id=fetched.id, mailbox=fetched.mailbox, uid=fetched.uid, reason=error
            )
        return True

    def _fetched(self, at: Cursor, listed: Listed, content: bytes, *, junk: bool) -> Fetched:
        dated = listed.internal_date or self._now()
        return Fetched(
            id=new_id(),
            tenant=self._account.tenant,
            mailbox=at.mailbox,
            folder=at.folder,
            uidvalidity=at.uidvalidity,
            uid=listed.uid,
            internal_date=dated,
            content=content,
            junk=junk,
            backfill=(at.folder, listed.uid) in self._missed
            or is_backfill(self._account.mailbox.fetch_from, at, dated),
        )
