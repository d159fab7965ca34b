"""Mailboxes in memory: letters in folders, as Twisted's IMAP server asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Protocol

from twisted.mail.imap4 import MessageSet, ReadOnlyMailbox

INBOX = "INBOX"
SENT = "Sent"
SPECIAL = {
    SENT: "\\Sent",
    "Junk": "\\Junk",
    "Trash": "\\Trash",
    "Drafts": "\\Drafts",
    "[Gmail]/All Mail": "\\All",
}
SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")


@dataclass(slots=True, eq=False)
class Letter:
    """One message in a folder."""

    uid: int
    content: bytes
    internal_date: datetime
    flags: set[str] = field(default_factory=set)

    def getUID(self) -> int:
        """The UID."""
        return self.uid

    def getFlags(self) -> list[str]:
        """The flags, in a fixed order."""
        return sorted(self.flags)

    def getSize(self) -> int:
        """The size in bytes."""
        return len(self.content)

    def getInternalDate(self) -> str:
        """When it came, as RFC 5322 writes dates."""
        return format_datetime(self.internal_date)


class Listener(Protocol):
    """A session that has a folder selected."""

    def newMessages(self, exists: int | None, recent: int | None) -> None:
        """Tell the client that the folder has grown to `exists`."""

    def expunged(self, number: int) -> None:
        """Tell the client that a message is gone."""

    def hang_up(self) -> None:
        """End the connection."""


class Folder:
    """Letters in order of arrival, and the sessions that watch them."""

    def __init__(self, uidvalidity: int) -> None:
        self.uidvalidity = uidvalidity
        self.next_uid = 1
        self.letters: list[Letter] = []
        self.listeners: list[Listener] = []

    def add(
        self, content: bytes, *, flags: Iterable[str] = (), at: datetime | None = None
    ) -> int:
        """Take a message, wake those who watch, and return its UID."""
        letter = Letter(self.next_uid, content, at or datetime.now(UTC), set(flags))
        self.next_uid += 1
        self.letters.append(letter)
        for listener in tuple(self.listeners):
            listener.newMessages(len(self.letters), None)
        return letter.uid

    def remove(self, letters: Sequence[Letter], *, by: Listener | None) -> list[int]:
        """Take `letters` out and return the sequence numbers that EXPUNGE names, in order.

        All who watch are told, except the one who did it.
        """
        numbers = []
        for letter in letters:
            number = self.letters.index(letter) + 1
            del self.letters[number - 1]
            numbers.append(number)
            for listener in self.listeners:
                if listener is not by:
                    listener.expunged(number)
        return numbers

    def renumber(self) -> None:
        """Begin a new UIDVALIDITY: every letter has a new UID (RFC 9051 §2.3.1.1)."""
        self.uidvalidity += 1
        for letter in self.letters:
            letter.uid, self.next_uid = self.next_uid, self.next_uid + 1
        for listener in tuple(self.listeners):
            listener.hang_up()

    def select(self, messages: MessageSet, *, by_uid: bool) -> Iterator[tuple[int, Letter]]:
        """Yield (sequence number, letter) of what `messages` names, in order."""
        if not self.letters:
            return
        messages.last = self.letters[-1].uid if by_uid else len(self.letters)
        for number, letter in enumerate(self.letters, 1):
            if (letter.uid if by_uid else number) in messages:
                yield number, letter


class Opened:
    """A folder as one session selected or examined it."""

    def __init__(self, folder: Folder, *, writable: bool, name: str = INBOX) -> None:
        self.folder = folder
        self._writable = writable
        self._name = name
        self._session: Listener | None = None

    def getFlags(self) -> list[str]:
        """The flags a message may have."""
        return list(SYSTEM_FLAGS)

    def getHierarchicalDelimiter(self) -> str:
        """What stands between the parts of a name."""
        return "/"

    def getUIDValidity(self) -> int:
        """RFC 9051 §2.3.1.1."""
        return self.folder.uidvalidity

    def getUIDNext(self) -> int:
        """The UID of the next message."""
        return self.folder.next_uid

    def getUID(self, message: int) -> int:
        """The UID of the message with that sequence number."""
        return self.folder.letters[message - 1].uid

    def getMessageCount(self) -> int:
        """How many messages there are."""
        return len(self.folder.letters)

    def getRecentCount(self) -> int:
        """None is ever recent (RFC 9051 dropped the idea)."""
        return 0

    def getUnseenCount(self) -> int:
        """How many messages are not seen."""
        return sum("\\Seen" not in letter.flags for letter in self.folder.letters)

    def isWriteable(self) -> bool:
        """Whether it was selected, not examined."""
        return self._writable

    def requestStatus(self, names: Iterable[str]) -> dict[str, int]:
        """Return what STATUS asked for; unknown names are left out."""
        known = {
            "MESSAGES": self.getMessageCount(),
            "RECENT": 0,
            "UIDNEXT": self.getUIDNext(),
            "UIDVALIDITY": self.getUIDValidity(),
            "UNSEEN": self.getUnseenCount(),
        }
        return {name.upper(): known[name.upper()] for name in names if name.upper() in known}

    def addListener(self, listener: Listener) -> None:
        """Tell `listener` what happens here."""
        self._session = listener
        self.folder.listeners.append(listener)

    def removeListener(self, listener: Listener) -> None:
        """Tell `listener` no more."""
        if listener in self.folder.listeners:
            self.folder.listeners.remove(listener)

    def expunge(self) -> list[int]:
        """Remove what is flagged as deleted."""
        self._refuse_unless_writable()
        deleted = [letter for letter in self.folder.letters if "\\Deleted" in letter.flags]
        return self.folder.remove(deleted, by=self._session)

    def fetch(self, messages: MessageSet, uid: bool) -> list[tuple[int, Letter]]:
        """Return (sequence number, letter) of each."""
        return list(self.folder.select(messages, by_uid=bool(uid)))

    def store(
        self, messages: MessageSet, flags: Iterable[str], mode: int, uid: bool
    ) -> dict[int, list[str]]:
        """Set (mode 0), add (1) or remove (-1) flags; return those that each now has."""
        self._refuse_unless_writable()
        changed = {}
        for number, letter in self.folder.select(messages, by_uid=bool(uid)):
            kept = letter.flags if mode else set()
            letter.flags = kept - set(flags) if mode < 0 else kept | set(flags)
            changed[number] = letter.getFlags()
        return changed

    def _refuse_unless_writable(self) -> None:
        if not self._writable:
            raise ReadOnlyMailbox(self._name)


class Listed:
    """A folder as LIST shows it: the flags are those of the folder (RFC 6154)."""

    def __init__(self, name: str) -> None:
        self._name = name

    def getFlags(self) -> list[str]:
        """What kind of folder it is."""
        return ["\\HasNoChildren", *filter(None, [SPECIAL.get(self._name)])]

    def getHierarchicalDelimiter(self) -> str:
        """What stands between the parts of a name."""
        return "/"


def parse_internal_date(text: bytes) -> datetime:
    """Return APPEND's date, ` 1-Feb-2026 10:00:00 +0000`. Raises ValueError."""
    day, _, clock = text.decode("ascii").strip().partition(" ")
    return parsedate_to_datetime(f"{day.replace('-', ' ')} {clock}")
