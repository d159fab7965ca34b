"""Who is told that a code ends or is dead: looked at again and again, told once each.

The owner is told by mail, beside the tenant's webhooks and the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gateway import events
from gateway.actions.event import write_event
from gateway.app.foundation import Foundation
from gateway.events import watch
from gateway.mail.delivery import Lane, Outgoing
from gateway.mail.tenant import Mailbox, Tenant
from gateway.mail.trouble import Alert, Reminder
from gateway.mailbox.health import read_evidence
from gateway.mailbox.renewal import (
    DEAD,
    WAVE,
    Case,
    Notice,
    Wave,
    expires_on,
    find_notices,
    find_waves,
)
from gateway.mailbox.sending import died_at, refused_lane_of, say_refused
from gateway.store import codes, lanes, reminders, states
from gateway.store.codes import CodeDays
from gateway.store.errors import StoreError
from gateway.store.lanes import LaneState
from gateway.store.sqlite import Db
from gateway.store.states import MailboxState
from gateway.web.renewal import RenewalLinks, Subject

LEAST_SECONDS, LOOK_SECONDS = 1.0, 15.0
REST = 10  # times as long as a look took: thousands of mailboxes may change in a minute
EVENT = "mailbox.state_changed"


WriteMails = Callable[[Reminder, datetime], Sequence[Alert]]
"""A reminder and the time -> the mails that tell a person, by the path of [alerts]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the store says of all mailboxes at one moment."""

    states: dict[str, MailboxState]
    days: dict[str, CodeDays]
    generations: dict[str, str]
    refused_lanes: dict[Lane, LaneState]
    told: dict[str, frozenset[str]]


def look_every_seconds(dead_after: timedelta) -> float:
    """Return the pause between two looks: what dies is told soon after `dead_after`."""
    return min(LOOK_SECONDS, max(LEAST_SECONDS, dead_after.total_seconds()))


class Reminders:
    """Looks at every mailbox four times a minute, or as often as one may be found dead."""

    def __init__(
        self, base: Foundation, links: RenewalLinks, *, write_mails: WriteMails | None = None
    ) -> None:
        self._base = base
        self._links = links
        self._write_mails = write_mails
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look now: a mailbox may have died."""
        self._woken.set()

    async def run(self) -> None:
        """Look until cancelled."""
        dead_after = self._base.settings.mailboxes.dead_after
        while True:
            self._woken.clear()
            begun = time.monotonic()
            try:
                await self.look(now=datetime.now(UTC))
            except StoreError as error:  # such as a full disk: it may pass
                events.task_failed(task="remind of codes", error=error)
            await asyncio.sleep(REST * (time.monotonic() - begun))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(look_every_seconds(dead_after)):
                    await self._woken.wait()

    async def look(self, *, now: datetime) -> None:
        """Tell what is due and was not told yet."""
        boxes = {
            mailbox.address: (tenant, mailbox)
            for tenant in self._base.directory.tenants.values()
            for mailbox in tenant.mailboxes.values()
        }
        known = await self._base.store.read(_known)
        cases = [self._case(*box, known, now=now) for box in boxes.values()]
        dead = {one.address for one in cases if one.dead_since is not None}
        if any(DEAD in kinds for about, kinds in known.told.items() if about not in dead):
            await self._base.store.write(reminders.forget, DEAD, but=dead)
        await self._tell_waves(find_waves(cases), known, now=now)
        for notice in find_notices(cases, now=now):
            await self._tell(notice, *boxes[notice.address], known=known, now=now)

    def _case(self, tenant: Tenant, mailbox: Mailbox, known: _Known, *, now: datetime) -> Case:
        state = known.states.get(mailbox.address)
        evidence = read_evidence(state.evidence) if state else ()
        refused = [one for one in evidence if one.refused]
        refused_lane = refused_lane_of(tenant, mailbox, known.refused_lanes)
        smtp = refused_lane.since if refused_lane else None
        dead_after = self._base.settings.mailboxes.dead_after
        sending = died_at(refused_lane, dead_after=dead_after, now=now)
        since = [
            *([state.since] if state and state.state == DEAD else []),
            *([sending] if sending else []),
        ]
        return Case(
            tenant=tenant.id,
            address=mailbox.address,
            provider=_server_of(mailbox) or mailbox.provider,
            ends_on=self._ends_on(mailbox, known.days.get(mailbox.address)),
            paused=bool(state and state.paused),
            refused_since=min([*(one.at for one in refused[:1]), *([smtp] if smtp else [])],
                              default=None),
            dead_since=min(since, default=None),
            cause=refused[-1].cause if refused else "",
            told=known.told.get(mailbox.address, frozenset()),
        )  # fmt: skip

    def _ends_on(self, mailbox: Mailbox, code: CodeDays | None) -> date | None:
        provider = self._base.catalogue.get(mailbox.provider)
        return expires_on(
            provider.login.secret_life_days if provider else 0,
            issued=mailbox.issued,
            entered_on=code.entered_on if code else None,
            renewed_on=code.renewed_on if code else None,
        )

    async def _tell(
        self,
        notice: Notice,
        tenant: Tenant,
        mailbox: Mailbox,
        *,
        known: _Known,
        now: datetime,
    ) -> None:
        reason, fix = _words(notice, tenant, mailbox, known)
        link = None
        if mailbox.needs_person or not mailbox.oauth2:  # a program's key is the operator's
            link = self._links.make(self.subject(tenant, mailbox, known.generations))
        state = known.states.get(mailbox.address)
        data = {
            "tenant": tenant.id,
            "mailbox": mailbox.address,
            "state": DEAD if notice.kind == DEAD else state.state if state else "suspect",
            "reason": reason,
            "fix": fix,
            "reminder": notice.kind,
            "renew_url": link,
        }
        reminder = Reminder(
            about=mailbox.address, kind=notice.kind, owner=tenant.owner, reason=reason,
            fix=fix, link=link or "", is_sign_in=mailbox.oauth2,
        )  # fmt: skip
        outgoing = write_event(tenant, EVENT, data, now=now)
        if not await self._keep(reminder, outgoing, now=now):
            return
        watch.mailbox_reminder(
            tenant=tenant.id, mailbox=mailbox.address, kind=notice.kind, owner=tenant.owner
        )

    async def _keep(
        self, reminder: Reminder, outgoing: Sequence[Outgoing], *, now: datetime
    ) -> bool:
        """Keep that it is told, its events and its mails together; False: it was before."""
        mails = self._write_mails(reminder, now) if self._write_mails else ()
        return await self._base.store.write(
            reminders.tell, reminder, outgoing=outgoing, mails=mails, now=now
        )

    def subject(
        self, tenant: Tenant, mailbox: Mailbox, generations: Mapping[str, str]
    ) -> Subject:
        """Return a mailbox as its page shows it; `generations` as `codes` tells them."""
        provider = self._base.catalogue[mailbox.provider]
        return Subject(
            tenant=tenant.id,
            address=mailbox.address,
            provider=_server_of(mailbox) or provider.name,
            steps=provider.login.setup,
            generation=generations.get(mailbox.address, "none"),
            is_sign_in=mailbox.oauth2,
        )

    async def _tell_waves(self, waves: Sequence[Wave], known: _Known, *, now: datetime) -> None:
        """The operator hears at once that a provider refuses many."""
        current = {one.provider for one in waves}
        if any(WAVE in kinds for about, kinds in known.told.items() if about not in current):
            await self._base.store.write(reminders.forget, WAVE, but=current)
        for wave in waves:
            if WAVE in known.told.get(wave.provider, frozenset()):
                continue
            count = len(wave.addresses)
            reminder = Reminder(
                about=wave.provider,
                kind=WAVE,
                reason=f"{wave.provider} refuses {count} mailboxes of several tenants at once.",
                fix="Look at that provider; owners are told later where it may be their code.",
            )
            await self._keep(reminder, (), now=now)
            watch.provider_wave(provider=wave.provider, mailboxes=count)


def _known(db: Db) -> _Known:
    return _Known(
        states=states.mailbox_states(db),
        days=codes.days(db),
        generations=codes.generations(db),
        refused_lanes=lanes.refused(db),
        told=reminders.told(db),
    )


def _server_of(mailbox: Mailbox) -> str | None:
    """Return the server of a mailbox that is at none of the catalogue's providers."""
    return mailbox.host if mailbox.provider == "generic" else None


def _words(notice: Notice, tenant: Tenant, mailbox: Mailbox, known: _Known) -> tuple[str, str]:
    """Return what happened and what to do, for people."""
    renew = f"Make a new code and enter it: gateway mailbox reauth {mailbox.address}"
    if notice.kind != DEAD:
        day = notice.kind.rpartition(" ")[2]
        is_over = notice.kind.startswith("expired")
        said = "ended on" if is_over else "ends on"
        return f"The code of {mailbox.address} {said} {day}.", renew
    state = known.states.get(mailbox.address)
    if state is not None and any(one.refused for one in read_evidence(state.evidence)):
        return state.reason or "The sign-in is refused.", state.fix or renew
    lane = refused_lane_of(tenant, mailbox, known.refused_lanes)
    return say_refused(lane), (lane.fix if lane else None) or renew
