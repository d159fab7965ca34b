"""The sandbox's mail accounts: an address, a password, folders."""

from __future__ import annotations

from itertools import count

from twisted.mail.imap4 import wildcardToRegexp

from gateway.sandbox.folders import INBOX, Folder, Listed, Opened
from gateway.sandbox.quirks import Quirks

ALL_MAIL = "[Gmail]/All Mail"
FOLDERS = (INBOX, "Sent", "Junk")

_uidvalidity = count(1000, 10)


class Account:
    """One person's mail; `password` and `quirks` may be replaced at any time.

    `quirks` None means: as the provider's.
    """

    def __init__(self, address: str, password: str) -> None:
        self.address = address
        self.password = password
        self.quirks: Quirks | None = None
        self.folders = {name: Folder(next(_uidvalidity)) for name in FOLDERS}

    def __repr__(self) -> str:
        return f"Account({self.address!r})"

    def find(self, name: str) -> Folder | None:
        """Return the folder called `name`, or None; INBOX in any case (RFC 9051 §5.1)."""
        return self.folders.get(INBOX if name.upper() == INBOX else name)

    def select(self, name: str, rw: bool = True) -> Opened | None:
        """SELECT and EXAMINE."""
        folder = self.find(name)
        return Opened(folder, writable=bool(rw), name=name) if folder else None

    def create(self, name: str) -> bool:
        """CREATE; False when it is there."""
        if self.find(name):
            return False
        self.folders[name] = Folder(next(_uidvalidity))
        return True

    def listMailboxes(self, ref: str, wildcard: str) -> list[tuple[str, Listed]]:
        """LIST."""
        wanted = wildcardToRegexp(ref + wildcard, "/")
        return [(name, Listed(name)) for name in self.folders if wanted.match(name)]

    def label(self, content: bytes) -> None:
        """Let a message lie in All Mail, too, as where folders are labels."""
        self.folders.setdefault(ALL_MAIL, Folder(next(_uidvalidity))).add(content)

    def isSubscribed(self, name: str) -> bool:
        """LSUB lists every folder."""
        return name in self.folders
