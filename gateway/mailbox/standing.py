"""How one mailbox stands: its evidence and health, kept in the store when they change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from gateway.config import MailboxSettings
from gateway.events import watch
from gateway.mail.delivery import Outgoing
from gateway.mailbox.account import Account
from gateway.mailbox.health import (
    Evidence,
    Health,
    Trouble,
    add_trouble,
    is_refusal,
    judge,
    next_sign_in,
    read_evidence,
    write_evidence,
)
from gateway.mailbox.reach import explain_outage, explain_refusal
from gateway.net.imap import ImapRefused
from gateway.net.unreachable import Unreachable
from gateway.providers.catalogue import Provider
from gateway.providers.diagnosis import Diagnosis
from gateway.store import queue, states
from gateway.store.sqlite import Db, Store
from gateway.store.states import MailboxState

NOTHING: Mapping[str, str] = MappingProxyType({})
FOLDERS = "Make the folder, or mend folders in the tenant's file."
SIGN_IN = frozenset({"token", "imap-login", "imap-select"})


class Standing:
    """What is known of one mailbox.

    Each new health is kept in one commit with the events that `tell` returns for it; `changed`
    is called after that.
    """

    def __init__(
        self,
        account: Account,
        store: Store,
        *,
        settings: MailboxSettings,
        catalogue: Mapping[str, Provider],
        tell: Callable[[MailboxState], Sequence[Outgoing]],
        changed: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._store = store
        self._settings = settings
        self._catalogue = catalogue
        self._tell = tell
        self._changed = changed
        self._now = now
        self._state: MailboxState | None = None
        self._evidence: Evidence = ()

    @property
    def is_dead(self) -> bool:
        """Whether the sign-in is dead, as last loaded or saved."""
        return self._state is not None and self._state.state == Health.DEAD

    async def load(self) -> bool:
        """Read what the store knows; return whether a person has paused the mailbox."""
        self._state = await self._store.read(states.mailbox_state, self._account.address)
        self._evidence = read_evidence(self._state.evidence) if self._state else ()
        return bool(self._state and self._state.paused)

    async def succeeded(self, unopened: Mapping[str, str] = NOTHING) -> None:
        """One success heals; what is said of folders that it could not open stays in sight.

        `unopened` holds the server's words by folder.
        """
        reason = "; ".join(
            f"the folder {one} cannot be opened: {unopened[one]}" for one in unopened
        )
        known = self._state
        is_known = known is not None and known.state == Health.OK and not self._evidence
        if known is None or not is_known or known.reason != (reason or None):
            for folder, text in unopened.items():
                watch.folder_not_opened(mailbox=self._account.address, folder=folder, text=text)
            fix = FOLDERS if reason else None
            while not await self._save(Health.OK, (), reason=reason or None, fix=fix):
                await self.load()

    async def refused(self, refused: ImapRefused) -> tuple[Diagnosis, timedelta | None]:
        """Add a refusal; return what it means and when to sign in again (`next_sign_in`)."""
        diagnosis = explain_refusal(refused, self._account, self._catalogue)
        is_evidence = refused.phase in SIGN_IN and is_refusal(diagnosis.whose_turn)
        said = f'{diagnosis.meaning} The server said: "{refused.text}"'
        fix = diagnosis.fix and diagnosis.fix.replace("ADDRESS", self._account.address)
        wait = await self._add(diagnosis.cause, refused=is_evidence, reason=said, fix=fix)
        return diagnosis, wait

    async def unreachable(self, error: Unreachable) -> None:
        """Add an outage, which never speaks for death."""
        fix = explain_outage(error, self._account.endpoint).fix
        await self._add("unreachable", refused=False, reason=str(error), fix=fix)

    async def _add(
        self, cause: str, *, refused: bool, reason: str, fix: str | None
    ) -> timedelta | None:
        trouble = Trouble(at=self._now(), cause=cause, refused=refused)
        while True:
            evidence = add_trouble(self._evidence, trouble)
            health = self._judge(evidence)
            shown = {"reason": reason, "fix": fix}
            if health is Health.OK:
                shown = {"reason": None, "fix": None}
            elif self._state and not refused and any(one.refused for one in evidence):
                # what a person is to mend stays in sight when the network fails, too
                shown = {"reason": self._state.reason, "fix": self._state.fix}
            if await self._save(health, evidence, **shown):
                waits = self._settings.login_waits
                return next_sign_in(evidence, health, login_waits=waits)
            await self.load()

    def _judge(self, evidence: Evidence) -> Health:
        health = judge(evidence, dead_after=self._settings.dead_after)
        was_ok = self._state is not None and self._state.state == Health.OK
        # only a success heals
        return Health.SUSPECT if health is Health.OK and not was_ok else health

    async def _save(
        self, health: Health, evidence: Evidence, *, reason: str | None, fix: str | None
    ) -> bool:
        """Keep it; False: a person resumed the mailbox, or gave it a code, since the `load`."""
        before = self._state
        is_change = before is None or before.state != health
        state = MailboxState(
            address=self._account.address,
            state=health.value,
            since=self._now() if before is None or is_change else before.since,
            reason=reason,
            fix=fix,
            evidence=write_evidence(evidence),
        )
        state = replace(state, paused=before.paused) if before else state
        told = self._tell(state) if is_change else ()
        if not await self._store.write(_keep, before, state, told, now=self._now()):
            return False
        self._state, self._evidence = state, evidence
        if is_change:
            watch.mailbox_state_changed(
                mailbox=state.address, state=state.state, reason=reason, fix=fix
            )
            self._changed()
        return True


def _keep(
    db: Db,
    before: MailboxState | None,
    state: MailboxState,
    told: Sequence[Outgoing],
    *,
    now: datetime,
) -> bool:
    current = states.mailbox_state(db, state.address)
    if before is not None and current is None:
        return True  # it was removed
    if current is not None and (before is None or _found(current) != _found(before)):
        return False
    states.save_mailbox_state(db, state)
    for outgoing in told:
        queue.accept(db, outgoing, now=now)
    return True


def _found(state: MailboxState) -> tuple[str, str]:
    return state.state, state.evidence
