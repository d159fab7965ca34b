"""After a UIDVALIDITY change: which messages of a folder are new (RFC 9051 §2.3.1.1).

Another account at the same address is a change, too, also where it has the same UIDVALIDITY.
A message is known by Message-ID, size and INTERNALDATE, as far as they are told. Where these
do not tell one from another, several have them alike or there is no Message-ID, its content
decides: it is read again and its hash compared with those of what was fetched.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence

from gateway.mail.message import Message
from gateway.net.imap import ImapRefused, ImapSession, Listed
from gateway.store import folders
from gateway.store.folders import Cursor, Likeness
from gateway.store.sqlite import Store

TRIES = 3  # to read a message again; then it counts as new: never lost, perhaps twice
HEADERS = 0  # in place of a UID

Content = Callable[[ImapSession, Listed], Awaitable[bytes | ImapRefused | None]]


class Renumbering:
    """Tells what is new from what the store has under another UIDVALIDITY."""

    def __init__(self, store: Store, *, content: Content) -> None:
        """`content` reads one message."""
        self._store = store
        self._content = content
        self._tries: Counter[tuple[str, int]] = Counter()

    async def find_new(
        self, session: ImapSession, known: Cursor, listed: Sequence[Listed]
    ) -> list[int] | ImapRefused:
        """Return the UIDs of `listed` that were never fetched; raises Unreachable."""
        headers = await self._headers(session, known.folder, listed)
        if isinstance(headers, ImapRefused):
            return headers
        new = []
        alike: defaultdict[Likeness, list[Listed]] = defaultdict(list)
        for one in listed:
            if one.internal_date is None:
                new.append(one.uid)
                continue
            header = headers.get(one.uid)
            message_id = header.message_id if header else None
            alike[Likeness(message_id, one.size_bytes, one.internal_date)].append(one)
        for likeness, group in alike.items():
            found = await self._new_of(session, known, likeness, group=group)
            if isinstance(found, ImapRefused):
                return found
            new += found
        return sorted(new)

    async def _headers(
        self, session: ImapSession, folder: str, listed: Sequence[Listed]
    ) -> dict[int, Message] | ImapRefused:
        """Return the headers; none where one of them cannot be read, which takes the others."""
        tries = (folder, HEADERS)
        if self._tries[tries] >= TRIES:
            return {}
        headers = await session.headers([one.uid for one in listed], "Message-ID")
        if not isinstance(headers, ImapRefused):
            self._tries.pop(tries, None)
            return headers
        self._tries[tries] += 1
        return headers if headers.code == "BYE" else {}

    async def _new_of(
        self, session: ImapSession, known: Cursor, likeness: Likeness, *, group: list[Listed]
    ) -> list[int] | ImapRefused:
        had = Counter(await self._store.read(folders.hashes_like, known, likeness))
        if not had:
            return [one.uid for one in group]
        if likeness.message_id and had.total() == len(group) == 1:
            return []
        new = []
        for one in group:
            content = await self._read(session, known.folder, one)
            if isinstance(content, ImapRefused):
                return content
            digest = hashlib.sha256(content).digest() if content is not None else b""
            if had[digest] > 0:
                had[digest] -= 1
            else:
                new.append(one.uid)
        return new

    async def _read(
        self, session: ImapSession, folder: str, listed: Listed
    ) -> bytes | ImapRefused | None:
        """Return the bytes; None where they are not given, or reading them ends the session."""
        if self._tries[folder, listed.uid] >= TRIES:
            return None
        self._tries[folder, listed.uid] += 1
        content = await self._content(session, listed)
        if isinstance(content, ImapRefused) and content.code != "BYE":
            content = None
        if not isinstance(content, ImapRefused):
            del self._tries[folder, listed.uid]
        return content
