"""The folders of one session, looked into by turns."""

from __future__ import annotations

from dataclasses import replace

from gateway.mailbox.account import Account
from gateway.mailbox.sign_in import find_junk_of
from gateway.net.imap import Folder, ImapRefused, ImapSession


async def begin_rounds(
    session: ImapSession, account: Account, *, first: Folder | None
) -> Rounds:
    """Return the rounds of a session; `first` is open, and stays so where it is alone."""
    junk = await find_junk_of(session, account)
    names = [*account.mailbox.folders, *([junk] if isinstance(junk, str) else [])]
    found = junk if isinstance(junk, str) else None
    rounds = Rounds(session, names=list(dict.fromkeys(names)), junk=found, first=first)
    if found is None and account.mailbox.junk != "off":
        rounds.await_junk(account, is_known=junk is None)
    return rounds


class Rounds:
    """The folders of a session in the order of a round: the first one last, to idle in it.

    `unopened` holds those that cannot be opened, by the server's words: a slip in `folders`.
    """

    def __init__(
        self, session: ImapSession, *, names: list[str], junk: str | None, first: Folder | None
    ) -> None:
        self.session = session
        self.names = names[::-1]
        self.others = names[:0:-1]
        self._main = names[0]
        self.junk = junk
        self._selected = first
        self._stays_open = first is not None and not self.others
        self._opened: dict[str, Folder] = {}
        self.unopened: dict[str, str] = {}
        self._awaiting: Account | None = None
        self._lacks_junk = False

    def await_junk(self, account: Account, *, is_known: bool) -> None:
        """Look for a folder for junk from now on; `is_known`: there is none yet, else the
        server did not say."""
        self._awaiting = account
        self._lacks_junk = is_known

    @property
    def awaits_junk(self) -> bool:
        """Whether it is known that there is no folder for junk yet."""
        return self._awaiting is not None and self._lacks_junk

    async def look_for_junk(self) -> None:
        """Take in the folder for junk that a provider made since, with the first junk."""
        if self._awaiting is None:
            return
        found = await find_junk_of(self.session, self._awaiting)
        if not isinstance(found, str):
            return
        self._awaiting = None
        self.junk = found
        if found not in self.names:  # else it is one of `folders`, and was not there
            self._selected = None
            self._stays_open = False
            self.names.insert(0, found)
            self.others.append(found)

    async def select(self, name: str) -> Folder | ImapRefused:
        """Open a folder; the only one of a session that idles stays open.

        What it said of the next UID is told once: later it is no longer true.
        """
        if self._stays_open and self._selected is not None:
            open_since, self._selected = self._selected, replace(self._selected, next_uid=None)
            return open_since
        opened = await self.session.select(name)
        if isinstance(opened, ImapRefused):
            self.unopened[name] = opened.text
        else:
            self._selected = self._opened[name] = opened
            self.unopened.pop(name, None)
        return opened

    async def visit(self, name: str) -> Folder | ImapRefused:
        """Open a folder that is none of the round: what was open is opened anew after it."""
        self._selected = None
        return await self.session.select(name)

    async def others_have_news(self) -> bool | ImapRefused:
        """Whether a folder beside the main one may hold more than when it was opened."""
        for name in self.others:
            folder = await self.session.status(name)
            if isinstance(folder, ImapRefused) and folder.code == "BYE":
                return folder
            if isinstance(folder, ImapRefused) or self._has_grown(folder):
                return True
        return False

    def _has_grown(self, folder: Folder) -> bool:
        before = self._opened.get(folder.name)
        if before is None or before.next_uid is None:
            return True
        return (before.uidvalidity, before.next_uid) != (folder.uidvalidity, folder.next_uid)

    def ends(self, name: str, refused: ImapRefused) -> bool:
        """Whether a refusal to open a folder is the end: the main one brings mail without
        the others."""
        return name == self._main or refused.code == "BYE"
