"""IN: mailboxes, authenticity, policies and actions joined."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from gateway.actions.answer import Way
from gateway.actions.event import write_event
from gateway.actions.notice import NoticePath
from gateway.actions.perform import Neighbours, Performer
from gateway.app.accounts import Accounts
from gateway.app.alarms import mails_of_reminders
from gateway.app.foundation import Foundation
from gateway.app.judge import Judge
from gateway.app.policies import CurrentChains
from gateway.app.reminding import Reminders
from gateway.app.renewing import Renewals
from gateway.app.tokens import NOT_AUTHORIZED, AccessTokens
from gateway.app.unanswered import Clocks
from gateway.app.working import Work
from gateway.authenticity.origin import Checker, authenticate, make_checker
from gateway.authenticity.trace import TrustedHops, read_scanned
from gateway.config import Settings
from gateway.conversation.thread import find_ours, learn_rewritten, take_out
from gateway.mail.delivery import Outgoing
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.message import Message, parse_message
from gateway.mail.tenant import Mailbox, Tenant
from gateway.mailbox.watcher import Surroundings
from gateway.mailbox.watchers import Watchers
from gateway.net.concurrency import spawn_lasting, stop_tasks
from gateway.net.imap import ImapPools
from gateway.net.oauth import TokenRefused
from gateway.providers.catalogue import Provider
from gateway.store.sqlite import Db
from gateway.store.states import MailboxState


class Inbound:
    """From the tenant's mailboxes to what the policies decided, each effect once."""

    def __init__(
        self,
        base: Foundation,
        accounts: Accounts,
        chains: CurrentChains,
        *,
        tokens: AccessTokens,
        queued: Callable[[], None],
        renewals: Renewals,
        reminders: Reminders,
    ) -> None:
        """`queued` is called when something may wait in the queue: a forward, an answer."""
        self._base = base
        self._renewals = renewals
        self._reminders = reminders
        self._clocks = Clocks(base, write_mails=mails_of_reminders(base))
        self._accounts = accounts
        self._tokens = tokens
        settings = base.settings
        self._checker: Checker = make_checker(settings.dns)
        self._chains = chains
        self._judge = Judge(base, chains, now=_now)
        self._pools = ImapPools.start()
        self.watchers = Watchers(self._surroundings(), trusted_ca=_trusted(base))
        self._performer = Performer(
            base.store,
            self._neighbours(),
            answers=settings.answers,
            notices=notice_path(settings),
        )
        self._work = Work(base.store, self._performer.perform, queued=queued, now=_now)
        self._tasks: list[asyncio.Task[None]] = []
        self._watched: Mapping[str, Tenant] = {}
        self._revision = -1  # of the tenants that are watched

    async def start(self) -> None:
        """Take up what an earlier life left, then watch the mailboxes."""
        self._tasks = [
            spawn_lasting(self._work.run, name="inbound work"),
            spawn_lasting(self._renewals.run, name="renew codes"),
            spawn_lasting(self._reminders.run, name="remind of codes"),
            spawn_lasting(self._clocks.run, name="warn of unanswered mail"),
        ]
        self._refresh()

    async def stop(self) -> None:
        """Hang up everywhere; what is not carried out yet is taken up at the next start."""
        await self.watchers.stop()
        await stop_tasks(self._tasks)
        await self._work.stop()
        await self._checker.close()
        self._judge.close()
        self._pools.close()

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            store=self._base.store,
            pools=self._pools,
            settings=self._base.settings.mailboxes,
            catalogue=self._base.catalogue,
            secret=self._secret_of_mailbox,
            token=self._token_of_mailbox,
            arrived=lambda _: self._work.wake(),
            learn=_learn_renamed,
            tell=self._tell_state,
            changed=self._reminders.wake,
            now=_now,
        )

    def wake(self) -> None:
        """Look for work now: another process may have fetched or released a message."""
        self._work.wake()

    def look(self) -> None:
        """Notice tenants that changed, and a chain that compiles now, or for the first time."""
        tenants = self._base.directory.tenants.values()
        with_mail = (one for one in tenants if one.mailboxes)
        ready = {one.id for one in with_mail if self._chains.has_chain(one, "inbound")}
        if ready != set(self._watched) or self._revision != self._base.directory.revision:
            self._refresh()

    def _refresh(self) -> None:
        """Watch the mailboxes of every tenant whose policies compile; try new codes."""
        self._revision = self._base.directory.revision
        self._renewals.wake()
        self._watched = {
            id_: tenant
            for id_, tenant in self._base.directory.tenants.items()
            if tenant.mailboxes and self._chains.has_chain(tenant, "inbound")
        }
        self.watchers.update(self._watched)

    def _neighbours(self) -> Neighbours:
        return Neighbours(
            tenants=lambda: self._base.directory.tenants,
            authenticate=self._authenticate,
            judge=self._judge.judge,
            way_for=self._way_for,
            mark=self._base.seal.mark,
            learn=lambda db, outgoing, now: take_out(db, outgoing, now=now),
            find_ours=find_ours,
            now=_now,
        )

    async def _authenticate(self, fetched: Fetched) -> Authenticity:
        mailbox = self._find_mailbox(fetched.tenant, fetched.mailbox)
        provider = self._base.catalogue[mailbox.provider if mailbox else "generic"]
        message = await asyncio.to_thread(parse_message, fetched.content)  # it may take long
        hops = hops_of(provider)
        proven = await authenticate(message, hops=hops, checker=self._checker)
        scanned = await asyncio.to_thread(self._scanned, message, hops)
        return replace(proven, scanned=scanned)

    def _scanned(self, message: Message, hops: TrustedHops) -> tuple[tuple[str, str], ...]:
        """What filters in front of us said, each from the hops that are trusted for it."""
        settings = self._base.settings
        found = [
            read_scanned(
                message,
                replace(hops, border_received=(*hops.border_received, *one.received_by)),
                one.headers,
            )
            for one in (settings.spam, settings.virus)
        ]
        return tuple(field for fields in found for field in fields)

    def _way_for(self, tenant: Tenant, mailbox: Mailbox) -> Way | None:
        """Return by which lane the mailbox's answers leave."""
        lane = self._accounts.lane_of_mailbox(tenant, mailbox)
        if lane is None:
            return None
        takes_null = self._accounts.takes_null_sender(tenant, lane)
        return Way(lane=lane, null_return_path=takes_null)

    async def _secret_of_mailbox(self, tenant: str, address: str) -> str | None:
        mailbox = self._find_mailbox(tenant, address)
        if mailbox is None or not mailbox.oauth2:
            return await self._base.directory.secret(tenant, "mailbox", address)
        return await self._tokens.mark(tenant, mailbox)

    async def _token_of_mailbox(
        self, tenant: str, address: str, refused: str | None
    ) -> str | TokenRefused:
        mailbox = self._find_mailbox(tenant, address)
        if mailbox is None:
            return NOT_AUTHORIZED
        return await self._tokens.get(tenant, mailbox, refused=refused)

    def _find_mailbox(self, tenant: str, address: str) -> Mailbox | None:
        known = self._base.directory.find_tenant(tenant)
        return known.mailboxes.get(address) if known else None

    def _tell_state(self, tenant: str, state: MailboxState) -> Sequence[Outgoing]:
        known = self._base.directory.find_tenant(tenant)
        if known is None:
            return ()
        data = {
            "tenant": tenant,
            "mailbox": state.address,
            "state": state.state,
            "reason": state.reason,
            "fix": state.fix,
        }
        return write_event(known, "mailbox.state_changed", data, now=_now())


def _learn_renamed(db: Db, tenant: str, ours: str, theirs: str, now: datetime) -> bool:
    return learn_rewritten(db, tenant=tenant, ours=ours, theirs=theirs, now=now)


def hops_of(provider: Provider) -> TrustedHops:
    """Return what a preset says of the fields that its provider writes."""
    return TrustedHops(
        border_received=provider.border_received,
        inner_received=provider.inner_received,
        inner_clients=provider.inner_clients,
        writes_return_path=provider.writes_return_path,
        return_path_below_border=provider.return_path_below_border,
        authserv_ids=provider.authserv_ids,
        results_of_border=provider.results_of_border,
        results_without_id=provider.results_without_id,
        results_below_border=provider.results_below_border,
        results_above=provider.results_above,
        results_after=provider.results_after,
        results_name_sender=provider.results_name_sender,
        arc_sealers=provider.arc_sealers,
    )


def notice_path(settings: Settings) -> NoticePath:
    """Return by what people are told of what policies ask for."""
    return NoticePath(settings=settings.alerts, hostname=settings.server.hostname)


def _trusted(base: Foundation) -> str | None:
    trusted = base.settings.delivery.trusted_ca
    return str(base.settings.resolve(trusted)) if trusted else None


def _now() -> datetime:
    return datetime.now(UTC)
