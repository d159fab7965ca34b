"""IMAP routes joined: where a lane of them leads."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.actions.append import Appender, Shelf
from gateway.app.foundation import Foundation
from gateway.app.hooks import without_target
from gateway.mail.delivery import Batch, Result
from gateway.mail.tenant import Route
from gateway.mailbox.account import PORTS
from gateway.net.imap import Endpoint, ImapPools
from gateway.store import journal


class AppendCarrier:
    """Carries the lanes of IMAP routes."""

    def __init__(self, base: Foundation) -> None:
        self._base = base
        self._pools = ImapPools.start(sign_in=2, work=2)
        self._appender = Appender(pools=self._pools, settings=base.settings.routes)

    async def attempt(self, batch: Batch, route: Route) -> list[Result]:
        """Append one batch; returns a result for each delivery."""
        now = datetime.now(UTC)
        secret = await self._base.directory.secret(batch.lane.tenant, "route", route.name)
        if secret is None or not route.host or not route.username:
            return [without_target(one.number, now) for one in batch.deliveries]
        trusted = route.ca_file or self._base.settings.delivery.trusted_ca
        endpoint = Endpoint(
            host=route.host,
            port=route.port or PORTS[route.security],
            security=route.security,
            ca_files=(str(self._base.settings.resolve(trusted)),) if trusted else (),
        )
        shelf = Shelf(
            endpoint=endpoint, username=route.username, secret=secret, folder=route.folder
        )
        interrupted = await self._base.store.read(journal.was_interrupted, batch.message)
        return await self._appender.deliver(batch, shelf, was_interrupted=interrupted, now=now)

    def close(self) -> None:
        """Append nothing more."""
        self._pools.close()
