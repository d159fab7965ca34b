"""OUT: submission, store and delivery joined."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from gateway.app.accounts import Accounts
from gateway.app.foundation import Foundation
from gateway.app.notices import Notices
from gateway.app.signing import Signing
from gateway.app.submissions import Submissions, keep
from gateway.config import Settings
from gateway.delivery.attempt import Sender
from gateway.delivery.leases import Leases
from gateway.delivery.outcome import Outcomes
from gateway.delivery.retry import RetrySchedule
from gateway.delivery.scheduler import AttemptBatch, Scheduler
from gateway.delivery.upstream import Account, SessionPool
from gateway.mail.delivery import Batch, LaneKind, Outgoing, Result
from gateway.mail.reply import Reply
from gateway.net.tls import ServerTls
from gateway.policy.files import Chains
from gateway.submission.listener import Listeners
from gateway.submission.login import SignIn
from gateway.submission.session import Conversation, Desk

DRAIN_SECONDS = 30.0


class Outbound:
    """From the helpdesk's submission to the upstream's 250; routes and hooks leave here too."""

    def __init__(
        self,
        base: Foundation,
        *,
        chains: Chains,
        tls: ServerTls,
        webhook: AttemptBatch,
        owner: str,
    ) -> None:
        """`webhook` carries the lanes of hooks and of webhook routes."""
        self._base = base
        self._webhook = webhook
        self.accounts = Accounts(base.settings, base.directory, base.catalogue)
        self._submissions = Submissions(base, chains)
        self._signing = Signing(base.store, base.seal, base.directory)
        self._pool = SessionPool(local_name=base.settings.server.hostname)
        leases = Leases(base.store)
        self._sender = self._make_sender(leases)
        self.scheduler = self._make_scheduler(leases, owner)
        self.listeners = Listeners(
            base.settings.submission,
            Conversation(self._desk(), clock=time.monotonic),
            hostname=base.settings.server.hostname,
            tls=tls,
        )

    async def start(self) -> None:
        """Begin to deliver, then to listen."""
        await self.scheduler.start()
        await self.listeners.start()

    async def stop(self) -> None:
        """Close the listeners, let sessions end, then let deliveries end."""
        await self.listeners.stop(seconds=DRAIN_SECONDS)
        await self.scheduler.stop(grace_seconds=DRAIN_SECONDS)
        await self._pool.close()
        self._sender.close()
        self._submissions.close()

    def _make_sender(self, leases: Leases) -> Sender:
        return Sender(
            self._pool,
            find_account=self._find_account,
            sign=self._signing.sign,
            confirm=leases.confirm,
            catalogue=self._base.catalogue,
            schedules=_schedules(self._base.settings),
        )

    def _make_scheduler(self, leases: Leases, owner: str) -> Scheduler:
        outcomes = Outcomes(
            find_tenant=self._base.directory.find_tenant,
            hostname=self._base.settings.server.hostname,
            follow_ups=Notices(self._base.directory.find_tenant).follow_ups,
        )
        return Scheduler(
            self._base.store,
            attempts={
                LaneKind.UPSTREAM: self._sender.attempt,
                LaneKind.ROUTE: self._attempt_route,
                LaneKind.HOOK: self._webhook,
            },
            limits=self.accounts.limits,
            record=outcomes.record,
            leases=leases,
            owner=owner,
            stale_after=self._base.settings.delivery.stale_after,
        )

    def _desk(self) -> Desk:
        sign_in = SignIn(
            self._base.directory.find_credential,
            self._base.seal.matches,
            auth_failures=self._base.settings.submission.auth_failures,
            clock=time.monotonic,
        )
        return Desk(
            hostname=self._base.settings.server.hostname,
            sign_in=sign_in,
            find_tenant=self._base.directory.find_tenant,
            upstream_max_bytes=self.accounts.max_message_bytes,
            accept=self._accept,
        )

    async def _accept(self, outgoing: Outgoing) -> Reply:
        """Answer 250 when the message is on disk (RFC 5321 §6.1), or as a policy refuses it."""
        now = datetime.now(UTC)
        judged = await self._submissions.judge(outgoing, now=now)
        if isinstance(judged, Reply):
            return judged
        size_bytes = len(outgoing.content)
        id_ = await self._base.store.write_content(size_bytes, keep, judged, now=now)
        self.scheduler.wake()
        return Reply(250, "2.0.0", f"queued as {id_}")

    async def _find_account(self, batch: Batch) -> Account | None:
        await self._signing.prepare(batch.lane.tenant, batch.header_from)
        return await self.accounts.find(batch)

    async def _attempt_route(self, batch: Batch) -> list[Result]:
        tenant = self._base.directory.find_tenant(batch.lane.tenant)
        route = tenant.routes.get(batch.lane.name) if tenant else None
        if route is not None and route.type == "webhook":
            return await self._webhook(batch)
        return await self._sender.attempt(batch)


def _schedules(settings: Settings) -> dict[LaneKind, RetrySchedule]:
    routes = RetrySchedule.of(settings.routes)
    upstream = RetrySchedule.of(settings.delivery)
    return {LaneKind.UPSTREAM: upstream, LaneKind.ROUTE: routes, LaneKind.HOOK: routes}
