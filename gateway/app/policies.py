"""The policy files joined: one set of chains for both journeys, its last good ones kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from gateway import events
from gateway.app.foundation import Foundation
from gateway.mail.tenant import Tenant
from gateway.net.concurrency import spawn
from gateway.policy.chain import Chain
from gateway.policy.files import Chains, Report
from gateway.policy.kept import read_kept, write_kept
from gateway.sieve.interface import CompileError
from gateway.store import chains as kept_chains
from gateway.store.chains import KeptChain
from gateway.store.sqlite import Store


async def open_chains(base: Foundation, *, report: Report | None = None) -> Chains:
    """Return the chains of all tenants, compiled when they are first asked for.

    One whose files do not compile is the one that the store kept of an earlier life; that
    is told to `report`, or logged.
    """
    directory = base.settings.resolve(base.settings.policies.directory)
    shelf = _Shelf(base.store, await base.store.read(kept_chains.load_all))
    return Chains(
        directory,
        clock=time.monotonic,
        report=report or _report_broken_chain,
        keep=shelf.keep,
        recall=shelf.recall,
    )


async def compile_all(chains: Chains, tenants: Iterable[Tenant]) -> None:
    """Compile what changed, both ways of every tenant, a chain at a time.

    A broken file is so reported when it is written, and a good one kept, before mail asks.
    """
    for tenant in tenants:
        for kind in ("inbound", "outbound"):
            if chains.is_current(tenant, kind):
                continue
            with suppress(CompileError):  # reported by the chains themselves
                chains.chain_for(tenant, kind)
            await asyncio.sleep(0)


class _Shelf:
    """The kept chains; what is already kept is not written again."""

    def __init__(self, store: Store, kept: dict[tuple[str, str], KeptChain]) -> None:
        self._store = store
        self._kept = kept

    def keep(self, tenant: Tenant, chain: Chain) -> None:
        """Have a chain that compiled written, unless it is the one that is kept."""
        before = self._kept.get((tenant.id, chain.kind))
        if before is not None and before.version == chain.version:
            return
        kept = KeptChain(
            tenant=tenant.id,
            kind=chain.kind,
            version=chain.version,
            content=write_kept(chain),
            kept_at=datetime.now(UTC),
        )
        self._kept[tenant.id, chain.kind] = kept
        spawn(self._store.write(kept_chains.keep, kept), name="keep chain")

    def recall(self, tenant: Tenant, kind: str) -> Chain | None:
        """Return the chain that was kept, None when there is none that this release knows."""
        kept = self._kept.get((tenant.id, kind))
        return read_kept(kept.content, tenant, kind) if kept else None


def _report_broken_chain(
    tenant: Tenant, kind: str, error: CompileError, running: Chain | None
) -> None:
    for one in error.diagnostics:
        fault = f"{one.file}:{one.line}:{one.column}: {one.message}"
        version = running.version if running else "none"
        events.policy_refused(tenant=tenant.id, chain=kind, fault=fault, running=version)
