"""OUT, second half: from the store to the upstream's 250, joined."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.app.accounts import OF_UPSTREAMS, Accounts
from gateway.app.appending import AppendCarrier
from gateway.app.capture import Capture
from gateway.app.copies import SentCopies
from gateway.app.foundation import Foundation
from gateway.app.notices import Notices
from gateway.app.signing import Signing
from gateway.app.tokens import AccessTokens
from gateway.config import Settings
from gateway.conversation.thread import learn_rewritten
from gateway.delivery.attempt import Sender
from gateway.delivery.leases import Leases
from gateway.delivery.outcome import Outcomes
from gateway.delivery.retry import RetrySchedule
from gateway.delivery.scheduler import AttemptBatch, Scheduler
from gateway.delivery.upstream import Account, SessionPool
from gateway.mail.delivery import WRITTEN, Batch, LaneKind, Outgoing, Recorded, Result
from gateway.store.awaited import await_copy
from gateway.store.sqlite import Db

DRAIN_SECONDS = 30.0


class Outbound:
    """Everything that leaves: by upstreams, routes and hooks."""

    def __init__(
        self,
        base: Foundation,
        tokens: AccessTokens,
        *,
        webhook: AttemptBatch,
        capture: Capture | None,
    ) -> None:
        """`webhook` carries the lanes of hooks and of webhook routes.

        With `capture` that alone is carried which was accepted to be captured.
        """
        self._base = base
        self._webhook = webhook
        self._capture = capture
        self.accounts = Accounts(base.settings, base.directory, base.catalogue, tokens)
        self._signing = Signing(base.store, base.seal, base.directory)
        self._appends = AppendCarrier(base)
        self._copies = SentCopies(base, self.accounts)
        self._pool = SessionPool(local_name=base.settings.server.hostname)
        leases = Leases(base.store)
        self.outcomes = self._make_outcomes()
        self._sender = self._make_sender(leases)
        self.scheduler = self._make_scheduler(leases)

    async def start(self) -> None:
        """Begin to deliver."""
        await self.scheduler.start()

    async def stop(self) -> None:
        """Let deliveries end."""
        await self.scheduler.stop(grace_seconds=DRAIN_SECONDS)
        await self._pool.close()
        self._sender.close()
        self._appends.close()
        self._copies.close()

    def _make_sender(self, leases: Leases) -> Sender:
        return Sender(
            self._pool,
            find_account=self._find_account,
            sign=self._signing.sign,
            confirm=leases.confirm,
            catalogue=self._base.catalogue,
            schedules=_schedules(self._base.settings),
        )

    def _make_scheduler(self, leases: Leases) -> Scheduler:
        return Scheduler(
            self._base.store,
            attempts=self._attempts(),
            limits=self.accounts.limits,
            record=self.outcomes.record,
            leases=leases,
            owner=f"{self._base.settings.server.hostname}/",
            stale_after=self._base.settings.delivery.stale_after,
            revision=lambda: self._base.directory.revision,
        )

    def _make_outcomes(self) -> Outcomes:
        return Outcomes(
            find_tenant=self._base.directory.find_tenant,
            hostname=self._base.settings.server.hostname,
            follow_ups=self._follow_ups,
            learn=self._learn_ids,
        )

    def _follow_ups(
        self, batch: Batch, recorded: Recorded, now: datetime
    ) -> Sequence[Outgoing]:
        told = Notices(self._base.directory.find_tenant).follow_ups(batch, recorded, now)
        return [*told, *self._copies.follow_ups(batch, recorded, now)]

    def _learn_ids(self, db: Db, batch: Batch, recorded: Recorded, now: datetime) -> None:
        """Learn the ids that an upstream gave, or await its copy: customers answer to those."""
        if batch.lane.kind is not LaneKind.UPSTREAM or not recorded.delivered:
            return
        given = dict.fromkeys(result.attempt.remote_id for _, result in recorded.delivered)
        for theirs in filter(None, given):
            learn_rewritten(
                db, tenant=batch.lane.tenant, ours=batch.message_id, theirs=theirs, now=now
            )
        mailbox = self.accounts.own_mailbox(batch.lane)
        if mailbox is None or batch.kind not in WRITTEN:
            return
        if self._base.catalogue[mailbox.provider].sender.copies_tell_ids:
            await_copy(
                db, mailbox=mailbox.address, message=batch.message,
                message_id=batch.message_id, now=now,
            )  # fmt: skip

    def _attempts(self) -> dict[LaneKind, AttemptBatch]:
        """What carries each kind of lane; a kind that is not there waits."""
        capture = self._capture
        if capture is None:
            return {
                LaneKind.UPSTREAM: self._sender.attempt,
                LaneKind.ROUTE: self._attempt_route,
                LaneKind.HOOK: self._webhook,
                LaneKind.SENT: self._copies.attempt,
            }

        async def attempt(batch: Batch) -> list[Result]:
            return capture.told(batch, await self._sender.attempt(batch))

        return {LaneKind.CAPTURE: attempt}

    async def _find_account(self, batch: Batch, refused: str | None) -> Account | None:
        await self._signing.prepare(batch.lane.tenant, batch.header_from)
        account = await self.accounts.find(batch, refused=refused)
        if account is None or self._capture is None:
            return account
        return self._capture.in_place_of(account)

    async def _attempt_route(self, batch: Batch) -> list[Result]:
        tenant = self._base.directory.find_tenant(batch.lane.tenant)
        route = tenant.routes.get(batch.lane.name) if tenant else None
        if route is not None and route.type == "webhook":
            return await self._webhook(batch)
        if route is not None and route.type == "imap":
            return await self._appends.attempt(batch, route)
        return await self._sender.attempt(batch)


def _schedules(settings: Settings) -> dict[LaneKind, RetrySchedule]:
    routes = RetrySchedule.of(settings.routes)
    upstream = RetrySchedule.of(settings.delivery)
    of_upstreams = dict.fromkeys(OF_UPSTREAMS, upstream)
    others = dict.fromkeys((LaneKind.ROUTE, LaneKind.HOOK, LaneKind.SENT), routes)
    return {**of_upstreams, **others}
