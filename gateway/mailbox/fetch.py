"""New UIDs -> stored messages, each once per UIDVALIDITY (RFC 9051 §2.3.1.1).

The cursor is the highest UID seen and the UIDs still open; it is committed with the message.
A try is counted before it is made: a message that ends the process three times is set aside
with its bytes, one that the server cannot give is set aside without, and the mailbox goes
on. What failed before is tried after the others. A lost connection is not held against a
message until it has been lost often; a BYE is: Dovecot says so of mail it cannot read.

After a UIDVALIDITY change only what is new is taken (see `renumbering`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from gateway.events import watch
from gateway.mail.ids import new_id
from gateway.mail.inbound import Fetched
from gateway.mailbox.account import Account
from gateway.mailbox.baseline import (
    begin_folder,
    below_baseline,
    find_recent,
    is_backfill,
    is_since,
    oldest_wanted,
)
from gateway.mailbox.moved import find_earlier
from gateway.mailbox.renumbering import Renumbering
from gateway.net.imap import Folder, ImapRefused, ImapSession, Listed
from gateway.net.unreachable import Unreachable
from gateway.store import folders, inbox
from gateway.store.errors import StoreError
from gateway.store.folders import Cursor, Look
from gateway.store.sqlite import Store

TRIES = 3
TRIES_WITH_BYTES = 6  # from the fourth on it is set aside; if even that fails, without bytes
EXCUSED = 20  # lost connections a message
LOOKED_BACK = 100  # UIDs below the baseline, for what came shortly before us
LARGEST_BYTES = 150 * 1024 * 1024


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
        self._renumbering = Renumbering(store, content=self._content)
        self._nothing_open: set[str] = set()  # folders, to spare them a commit
        self._without_sizes: set[str] = set()  # folders with a message that has none to give
        self._excused: dict[tuple[str, int], int] = {}  # tries that the network ended
        self._failed: dict[tuple[str, int], int] = {}
        self._faults: dict[tuple[str, int], str] = {}
        self._missed: set[tuple[str, int]] = set()

    def look_again(self) -> None:
        """Forget that nothing was open: another process may have opened a UID."""
        self._nothing_open.clear()

    async def begin(self, session: ImapSession, folder: Folder) -> ImapRefused | None:
        """Settle from which UID on the selected `folder` is fetched, where it is not yet."""
        at = await self._cursor(session, folder)
        return at if isinstance(at, ImapRefused) else None

    async def fetch(
        self, session: ImapSession, folder: Folder, *, junk: bool = False
    ) -> int | ImapRefused:
        """Store what is new in the selected `folder`; return how many UIDs stay open.

        Raises Unreachable, and StoreError when there is no room: the mail stays where it is.
        """
        at = await self._cursor(session, folder)
        if isinstance(at, ImapRefused):
            return at
        listed = await self._list(session, folder.name, above=at.highest_uid)
        if isinstance(listed, ImapRefused):
            return listed
        if not listed and folder.name in self._nothing_open:
            return 0
        uids = [one.uid for one in listed]
        noted, wanted = await self._store.write(folders.note_uids, at, uids, now=self._now())
        found = await self._find(session, folder.name, wanted, listed=listed)
        if isinstance(found, ImapRefused):
            return found
        return await self._take_all(session, noted, wanted=wanted, found=found, junk=junk)

    async def _cursor(self, session: ImapSession, folder: Folder) -> Cursor | ImapRefused:
        known = await self._store.read(folders.cursor, self._account.address, folder.name)
        if known is not None and known.uidvalidity == folder.uidvalidity:
            return known
        self._nothing_open.discard(folder.name)
        is_from_now = known is None and self._account.mailbox.fetch_from == "now"
        highest = folder.next_uid - 1 if is_from_now and folder.next_uid else None
        above = max(0, (highest or 0) - LOOKED_BACK)
        listed = await self._list(session, folder.name, above=above)
        if isinstance(listed, ImapRefused):
            return listed
        if known is None:
            return await self._first(folder, listed, highest=highest)
        return await self._renumbered(session, folder, known, listed=listed)

    async def _first(
        self, folder: Folder, listed: list[Listed], *, highest: int | None
    ) -> Cursor:
        """Begin a folder above everything, or above what is older than asked for."""
        oldest = oldest_wanted(self._account.mailbox.fetch_from, self._now())
        wanted = [one.uid for one in listed if is_since(one, oldest)]
        if self._account.mailbox.fetch_from == "now":
            if highest is None:  # without UIDNEXT, above all that is listed
                highest = max((one.uid for one in listed), default=0)
            before = [one for one in listed if one.uid <= highest]
            below = below_baseline(before, now=self._now())
            return await self._begin(folder, highest, below=below)
        if not wanted:
            return await self._begin(folder, max((one.uid for one in listed), default=0))
        return await self._begin(folder, wanted[0] - 1, listed=listed, wanted=wanted)

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

    async def _list(
        self, session: ImapSession, folder: str, *, above: int
    ) -> list[Listed] | ImapRefused:
        """List with sizes; without, where that was refused: Dovecot must read for a size."""
        if folder not in self._without_sizes:
            listed = await session.messages_above(above)
            if not isinstance(listed, ImapRefused):
                return listed
            self._without_sizes.add(folder)
            if listed.code == "BYE":
                return listed
        return await session.messages_above(above, sizes=False)

    async def _find(
        self, session: ImapSession, folder: str, wanted: list[int], *, listed: list[Listed]
    ) -> dict[int, Listed] | ImapRefused:
        """Return what is known of each wanted UID; one that is not listed is gone."""
        found = {one.uid: one for one in listed}
        older = [uid for uid in wanted if uid not in found]
        if older:
            again = await self._list(session, folder, above=older[0] - 1)
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
        self._nothing_open.discard(at.folder)
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
            self._nothing_open.add(at.folder)
            self._without_sizes.discard(at.folder)
        return still_open

    async def _take(
        self, session: ImapSession, at: Cursor, listed: Listed, *, junk: bool
    ) -> bool | ImapRefused:
        """Try one message: True closes its UID, ImapRefused ends the session."""
        key = (at.folder, listed.uid)
        begun = await self._store.write(folders.begin_try, at, listed.uid)
        tries = begun.number - self._excused.get(key, 0)
        if begun.was_missed:
            self._missed.add(key)
        if tries > TRIES_WITH_BYTES:
            error = self._faults.get(key, "it could not be taken in, nor be set aside")
            return await self._set_aside(self._fetched(at, listed, b"", junk=junk), error)
        try:
            content = await self._content(session, listed)
        except (Unreachable, asyncio.CancelledError):
            self._excuse(key)
            raise
        if isinstance(content, ImapRefused) and content.code == "BYE" and tries < TRIES:
            return content
        if isinstance(content, ImapRefused) or content is None:
            return await self._not_given(session, at, listed, answer=content, tries=tries)
        fetched = self._fetched(at, listed, content, junk=junk)
        if tries > TRIES:
            error = self._faults.get(key, "the gateway ended three times while taking it in")
            return await self._set_aside(fetched, error)
        earlier = await find_earlier(session, self._store, fetched)
        if isinstance(earlier, str):
            await self._store.write(folders.skip_uid, at, fetched.uid)
            watch.message_moved(message_id=earlier, mailbox=at.mailbox, folder=at.folder)
            return True
        return earlier or await self._store_one(session, at, fetched)

    async def _content(
        self, session: ImapSession, listed: Listed
    ) -> bytes | ImapRefused | None:
        """Ask for the size first, then for the bytes."""
        size = listed.size_bytes
        if size is None:
            answer = await session.size(listed.uid)
            if not isinstance(answer, int):
                return answer
            size = answer
        if size > LARGEST_BYTES:
            return ImapRefused("imap-any", "NO", f"{size} bytes are too much to take in")
        return await session.content(listed.uid, size_bytes=size)

    def _excuse(self, key: tuple[str, int]) -> None:
        self._excused[key] = min(EXCUSED, self._excused.get(key, 0) + 1)

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
            self._excuse(key)
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
        self._excuse(key)  # it is ours: what ends the session now says nothing of it
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
