"""The copies that a provider keeps of what was sent: they tell the Message-ID it gave.

They are looked at between two fetches, on the session that is open anyway, and only while one
is awaited: before what came in is judged, so that an answer finds the id learnt. A copy is
known by our id in its header, or by our Message-ID; never by a subject.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.events import watch
from gateway.mail.ids import ID_FIELD
from gateway.mail.message import Message
from gateway.mailbox.account import Account, find_sent
from gateway.mailbox.rounds import Rounds
from gateway.net.imap import Folder, ImapRefused
from gateway.store import awaited, journal
from gateway.store.awaited import Awaited
from gateway.store.sqlite import Db, Store

NEWEST = 200  # copies that are looked at when a session begins, beside those awaited

Learn = Callable[[Db, str, str, str, datetime], bool]
"""(tenant, our Message-ID, the provider's, now): whether it is of a conversation's mail."""


@dataclass(frozen=True, slots=True)
class Found:
    """A copy of a mail that was awaited."""

    mail: Awaited
    message_id: str  # as the provider wrote it


class SentFolder:
    """Looks for awaited copies on one session of one mailbox."""

    def __init__(
        self,
        account: Account,
        store: Store,
        rounds: Rounds,
        *,
        learn: Learn,
        now: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._store = store
        self._rounds = rounds
        self._learn = learn
        self._now = now
        self._original_ids = account.provider.sender.original_id_fields
        self._mails: Sequence[Awaited] = ()
        self._folder: str | None = None
        self._was_looked_for = False
        self._seen: Folder | None = None  # as it was when last looked into
        self._highest_uid = 0
        self._unclaimed: dict[int, Message] = {}

    async def is_awaited(self) -> bool:
        """Whether there is anything to look for."""
        self._mails = await self._store.read(awaited.find_awaited, self._account.address)
        return bool(self._mails)

    async def look(self) -> ImapRefused | None:
        """Learn from what has come; ImapRefused ends the session.

        Raises Unreachable and StoreError. A folder that is not to be read is left for the
        next look.
        """
        refused = await self._read_new(most=NEWEST + len(self._mails))
        if refused is not None and refused.code == "BYE":
            return refused
        found = find_copies(self._mails, self._unclaimed, original_ids=self._original_ids)
        if found:
            learnt = await self._store.write(self._keep, [*found.values()], now=self._now())
            for one in learnt:
                watch.sent_id_learned(
                    message_id=one.mail.message,
                    mailbox=self._account.address,
                    theirs=one.message_id,
                )
        for uid in found:
            del self._unclaimed[uid]
        return None

    async def _read_new(self, *, most: int) -> ImapRefused | None:
        """Read the headers of the copies that came since the last look, at most `most`."""
        session = self._rounds.session
        name = await self._find_folder()
        if name is None or isinstance(name, ImapRefused):
            return name
        asked = await session.status(name)
        if isinstance(asked, ImapRefused) or asked == self._seen:
            return asked if isinstance(asked, ImapRefused) else None
        folder = await self._rounds.visit(name)
        if isinstance(folder, ImapRefused):
            return folder
        if self._seen is None or self._seen.uidvalidity != asked.uidvalidity:
            self._unclaimed.clear()
            self._highest_uid = max(0, (asked.next_uid or 0) - 1 - most)
        listed = await session.messages_above(self._highest_uid, sizes=False)
        if isinstance(listed, ImapRefused):
            return listed
        uids = [one.uid for one in listed][-most:]
        headers = await session.headers(uids, "Message-ID", ID_FIELD, *self._original_ids)
        if isinstance(headers, ImapRefused):
            return headers
        self._unclaimed |= headers
        self._unclaimed = dict(sorted(self._unclaimed.items())[-most:])
        self._highest_uid = max([self._highest_uid, *uids])
        self._seen = asked
        return None

    async def _find_folder(self) -> str | ImapRefused | None:
        """Return the folder for sent mail; it is asked for once a session."""
        if not self._was_looked_for:
            listed = await self._rounds.session.folders()
            if isinstance(listed, ImapRefused):
                return listed
            self._folder = find_sent(listed, self._account.provider)
            self._was_looked_for = True
        return self._folder

    def _keep(self, db: Db, found: Sequence[Found], *, now: datetime) -> list[Found]:
        """Learn ids and await those copies no more; return what the provider renamed."""
        learnt = [one for one in found if self._is_learnt(db, one, now)]
        for one in learnt:
            journal.write(
                db, one.mail.message, "message.renamed", now=now, message_id=one.message_id
            )
        for one in found:
            awaited.end_wait(db, self._account.address, one.mail.message)
        return learnt

    def _is_learnt(self, db: Db, one: Found, now: datetime) -> bool:
        if one.message_id == one.mail.message_id:
            return False
        return self._learn(db, self._account.tenant, one.mail.message_id, one.message_id, now)


def find_copies(
    mails: Iterable[Awaited], copies: Mapping[int, Message], *, original_ids: Sequence[str]
) -> dict[int, Found]:
    """Return those of `copies` that are of an awaited mail, by UID (pure)."""
    known = {name: mail for mail in mails for name in (mail.message, mail.message_id)}
    found = {}
    for uid, copy in copies.items():
        fields = (ID_FIELD, *original_ids, "Message-ID")
        named = (field.value for name in fields for field in copy.all(name))
        mail = next((known[one] for one in named if one in known), None)
        if mail is not None and copy.message_id:
            found[uid] = Found(mail, copy.message_id)
    return found
