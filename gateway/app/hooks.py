"""Webhooks joined: where a lane of them leads."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.actions.received import Link
from gateway.actions.webhook import Target, Webhooks
from gateway.app.foundation import Foundation
from gateway.delivery.attempt import NO_ACCOUNT
from gateway.mail.delivery import Attempt, Batch, LaneKind, Phase, Result
from gateway.mail.reply import Reply
from gateway.net.concurrency import Pool
from gateway.net.dns import Resolver
from gateway.net.http import Http


class HookCarrier:
    """Carries the lanes of hooks and of webhook routes."""

    def __init__(self, base: Foundation, *, link: Link) -> None:
        """`link` makes the URLs of a message's bytes and attachments."""
        self._base = base
        settings = base.settings
        resolver = Resolver(settings.dns)
        self._http = Http(
            resolve=resolver.addresses, private_networks=settings.routes.private_networks
        )
        self._pool = Pool("webhook", threads=2)
        self._webhooks = Webhooks(
            http=self._http, pool=self._pool, settings=settings.routes, link=link
        )

    async def attempt(self, batch: Batch) -> list[Result]:
        """Post one batch; returns a result for each delivery."""
        now = datetime.now(UTC)
        target = await self._find_target(batch)
        if target is None:
            return [without_target(one.number, now) for one in batch.deliveries]
        return await self._webhooks.deliver(batch, target, now=now)

    async def close(self) -> None:
        """Close the kept connections."""
        await self._http.close()
        self._pool.close()

    async def _find_target(self, batch: Batch) -> Target | None:
        lane = batch.lane
        tenant = self._base.directory.find_tenant(lane.tenant)
        if tenant is None:
            return None
        kind = "hook" if lane.kind is LaneKind.HOOK else "route"
        found = tenant.hooks.get(lane.name) if kind == "hook" else tenant.routes.get(lane.name)
        if found is None or not found.url:
            return None
        secret = await self._base.directory.secret(tenant.id, kind, lane.name)
        secrets = tuple((secret or "").split())
        return Target(url=found.url, secrets=secrets, ca_file=found.ca_file)


def without_target(delivery: int, now: datetime) -> Result:
    """Return the result of a delivery whose route, hook or mailbox is not there now."""
    reply = Reply(0, None, NO_ACCOUNT.meaning)
    attempt = Attempt(at=now, host="", phase=Phase.CONNECT, reply=reply)
    return Result(delivery=delivery, attempt=attempt, verdict=NO_ACCOUNT, next_attempt_at=None)
