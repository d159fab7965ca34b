"""Proves a mailbox's login by IMAP, for real, before anything is saved.

Connect, login, ID, and SELECT, where some providers first say no. A failure is told in the
provider's cause and fix. That it may send, too, is for `delivery.probe`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.mailbox.account import Account, find_junk
from gateway.mailbox.baseline import Beginning, begin_folder, find_beginning
from gateway.mailbox.beginnings import LOOKED_BACK
from gateway.mailbox.reach import explain_outage, explain_refusal
from gateway.mailbox.sign_in import select_first
from gateway.net.imap import Folder, ImapPools, ImapRefused, ImapSession
from gateway.net.unreachable import Unreachable
from gateway.providers.catalogue import Provider
from gateway.store.sqlite import Db


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step that was taken, and how long it took."""

    name: str  # connect | login | id | select
    seconds: float
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a mailbox cannot be connected: the cause, what happened, what to do, their words."""

    cause: str  # of providers.causes, or of mailbox.reach
    meaning: str
    fix: str | None
    said: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The first folder as it was opened, and where "from now on" begins in it.

    What comes later is above that, whatever the server's clock says.
    """

    folder: Folder
    beginning: Beginning

    def keep(self, db: Db, mailbox: str, *, now: datetime) -> None:
        """Begin the folder, in the transaction that saves the mailbox."""
        begin_folder(
            db,
            mailbox,
            self.folder,
            baseline_uid=self.beginning.baseline_uid,
            below=self.beginning.below,
            uids=(),
            wanted=frozenset(),
            now=now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came of proving a login; without `failure` it holds."""

    steps: tuple[Step, ...]
    failure: Failure | None = None
    messages: int = 0  # in the first folder: none at all may be a setting of the web mail
    begun: Begun | None = None  # None: it is fetched by the dates of what lies there
    idles: bool = False
    junk: str | None = None  # the folder's name


async def prove(
    account: Account,
    secret: str,
    *,
    pools: ImapPools,
    catalogue: Mapping[str, Provider],
) -> Proof:
    """Sign in by a password or access token and open the first folder.

    Never raises Unreachable.
    """
    proving = _Proving(account, catalogue)
    try:
        return await proving.imap(secret, pools)
    except Unreachable as error:
        found = explain_outage(error, account.endpoint)
        return proving.failed(
            Failure(cause=found.cause, meaning=str(error), fix=found.fix, said=str(error))
        )


class _Proving:
    """The steps so far."""

    def __init__(self, account: Account, catalogue: Mapping[str, Provider]) -> None:
        self._account = account
        self._catalogue = catalogue
        self._steps: list[Step] = []
        self._name = ""
        self._began_at = 0.0

    async def imap(self, secret: str, pools: ImapPools) -> Proof:
        self._begin("connect")
        session = await ImapSession.connect(self._account.endpoint, pools)
        if isinstance(session, ImapRefused):
            return self._refused(session)
        self._end()
        try:
            opened = await self._open(session, secret)
            if isinstance(opened, ImapRefused):
                return self._refused(opened)
            return await self._describe(session, opened)
        finally:
            await session.logout()

    def failed(self, failure: Failure) -> Proof:
        self._end(passed=False)
        return Proof(steps=tuple(self._steps), failure=failure)

    async def _open(self, session: ImapSession, secret: str) -> Folder | ImapRefused:
        self._begin("login")
        account = self._account
        secret = account.provider.login.as_sent(secret)
        if refused := await session.login(account.username, secret, oauth2=account.oauth2):
            return refused
        self._next("id")
        refused = await session.identify(always=self._account.says_id)
        if refused is not None and refused.code == "BYE":
            return refused  # another answer to ID does not matter
        self._next("select")
        return await select_first(session, account, says_id=account.says_id)

    async def _describe(self, session: ImapSession, opened: Folder) -> Proof:
        folders = await session.folders()
        listed = [] if isinstance(folders, ImapRefused) else folders
        idles = self._account.may_idle and await session.offers("IDLE")
        begun = await self._find_begun(session, opened)
        self._end()
        return Proof(
            steps=tuple(self._steps),
            messages=opened.messages,
            begun=begun,
            idles=idles,
            junk=find_junk(listed, self._account.provider),
        )

    async def _find_begun(self, session: ImapSession, opened: Folder) -> Begun | None:
        if self._account.mailbox.fetch_from != "now" or not opened.next_uid:
            return None
        above = max(0, opened.next_uid - 1 - LOOKED_BACK)
        try:
            listed = await session.messages_above(above)
        except Unreachable:  # the sign-in is proven all the same
            return None
        there = [] if isinstance(listed, ImapRefused) else listed
        now = datetime.now(UTC)
        found = find_beginning("now", there, next_uid=opened.next_uid, since=None, now=now)
        return Begun(self._account.own(opened), found)

    def _refused(self, refused: ImapRefused) -> Proof:
        return self.failed(self._explain(refused))

    def _explain(self, refused: ImapRefused) -> Failure:
        diagnosis = explain_refusal(refused, self._account, self._catalogue)
        return Failure(
            cause=diagnosis.cause,
            meaning=diagnosis.meaning,
            fix=diagnosis.fix,
            said=f"{refused.code} {refused.text}",
        )

    def _begin(self, name: str) -> None:
        self._name = name
        self._began_at = time.monotonic()

    def _end(self, *, passed: bool = True) -> None:
        seconds = time.monotonic() - self._began_at
        self._steps.append(Step(name=self._name, seconds=seconds, passed=passed))

    def _next(self, name: str) -> None:
        self._end()
        self._begin(name)
