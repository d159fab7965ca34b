"""Alerts joined: what is looked at, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from gateway import events
from gateway.alerts import troubles
from gateway.alerts.judge import find_changes
from gateway.alerts.letter import Scribe
from gateway.alerts.path import AlertPath
from gateway.alerts.postman import Postman
from gateway.app.foundation import Foundation
from gateway.app.policies import CurrentChains
from gateway.app.reminding import WriteMails
from gateway.config import ConfigError
from gateway.mail.trouble import KnownTrouble, Trouble
from gateway.net.concurrency import spawn_lasting
from gateway.net.tls import expiry
from gateway.store import alerts, books
from gateway.store.errors import StoreError
from gateway.store.lanes import LaneState, lane_states
from gateway.store.sqlite import Db
from gateway.store.states import MailboxState, dead_mailboxes
from gateway.store.waiting import Held, held_aside, held_stale

LOOK_EVERY_SECONDS = 1.0
COUNT_EVERY_LOOKS = 60  # what reads the whole queue


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    lanes: list[LaneState]
    dead: list[MailboxState]
    stale: list[Held]
    aside: list[Held]
    known: dict[str, KnownTrouble]


def begin_alerts(base: Foundation, chains: CurrentChains) -> list[asyncio.Task[None]]:
    """Begin to look for troubles and to send what tells of them, until cancelled.

    Without [alerts] nothing is begun. An alert that is being sent at the end is sent again
    at the next start, with the same id.
    """
    if not base.settings.alerts.is_on:
        return []
    alarms = Alarms(base, chains)
    return [
        spawn_lasting(alarms.keep_looking, name="look for troubles"),
        spawn_lasting(alarms.keep_sending, name="send alerts"),
    ]


def mails_of_reminders(base: Foundation) -> WriteMails | None:
    """Return what writes the mails of reminders; None without [alerts]."""
    if not base.settings.alerts.is_on:
        return None
    settings = base.settings
    scribe = Scribe(settings.alerts, settings.server.hostname, support=settings.console.support)
    return scribe.write_reminder


class Alarms:
    """Looks for troubles and sends what tells of them."""

    def __init__(self, base: Foundation, chains: CurrentChains) -> None:
        self._base = base
        self._chains = chains
        settings = base.settings
        self._scribe = Scribe(settings.alerts, settings.server.hostname)
        path = AlertPath(settings, base.catalogue)
        self._postman = Postman(base.store, path.send, settings.alerts)
        self._counted: list[Trouble] = []

    async def keep_looking(self) -> None:
        """Compare what there is with what is known, again and again."""
        looks = 0
        while True:
            try:
                if looks % COUNT_EVERY_LOOKS == 0:
                    self._counted = await self._count(datetime.now(UTC))
                await self._look(datetime.now(UTC))
                looks += 1  # else what was to be counted would pass for nothing at all
            except StoreError as error:  # such as a full disk: it may pass
                events.task_failed(task="look for troubles", error=error)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def keep_sending(self) -> None:
        """Send what is due; what an earlier life left comes first."""
        while True:
            try:
                await self._postman.go_round(now=datetime.now(UTC))
            except StoreError as error:
                events.task_failed(task="send alerts", error=error)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _look(self, now: datetime) -> None:
        store = self._base.store
        seen = await store.read(_see)
        found = [*self._found(seen, await store.why_full(), now), *self._counted]
        changes = find_changes(seen.known, found, now=now)
        letters = self._scribe.write_all(changes, now=now)
        if changes.begun or changes.told or changes.ended:
            await store.write(alerts.keep_changes, changes, letters, now=now)
        for one in changes.begun:
            events.trouble_begun(trouble=one)
        for known in changes.ended:
            events.trouble_ended(trouble=known.trouble)

    def _found(self, seen: _Seen, why_full: str | None, now: datetime) -> Iterator[Trouble]:
        tenants = self._base.directory.tenants
        faults = self._chains.faults().items()
        first = {key: error.diagnostics[0] for key, error in faults if error.diagnostics}
        return chain(
            troubles.refused_sign_ins(seen.lanes, tenants, now=now),
            troubles.dead_mailboxes(seen.dead, tenants),
            troubles.held_mail(seen.stale, tenants, now=now),
            troubles.set_aside(seen.aside, tenants, now=now),
            troubles.full_store(why_full, now=now),
            troubles.broken_chains(first, tenants, now=now),
        )

    async def _count(self, now: datetime) -> list[Trouble]:
        by_page = await self._base.store.read(_differences)
        return [*troubles.differences(by_page, now=now), *self._certificate(now)]

    def _certificate(self, now: datetime) -> Sequence[Trouble]:
        """Look at the operator's; one of our own is renewed by us."""
        path = self._base.settings.tls.certificate
        if path is None:
            return ()
        file = self._base.settings.resolve(path)
        try:
            return list(troubles.ending_certificate(str(file), expiry(file), now=now))
        except (ConfigError, OSError):  # half of a renewal: the listeners tell of it
            return ()


def _see(db: Db) -> _Seen:
    return _Seen(
        lanes=lane_states(db),
        dead=dead_mailboxes(db),
        stale=held_stale(db),
        aside=held_aside(db),
        known=alerts.known_troubles(db),
    )


def _differences(db: Db) -> dict[str, int]:
    pages = {page: books.outbound(db, page=page).difference for page in books.PAGES}
    return pages | {"in": books.inbound(db).difference}
