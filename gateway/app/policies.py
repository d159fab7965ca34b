"""The policy files joined: one set of chains for both journeys, its last good ones kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime

from gateway import events
from gateway.app.foundation import Foundation
from gateway.config import Settings
from gateway.mail.tenant import Tenant
from gateway.net.concurrency import Pool, spawn
from gateway.policy.chain import Chain
from gateway.policy.files import Chains, Report
from gateway.policy.kept import read_kept, write_kept
from gateway.policy.limits import limits_of
from gateway.sieve.interface import CompileError, Limits
from gateway.store import chains as kept_chains
from gateway.store.chains import KeptChain
from gateway.store.errors import StoreError
from gateway.store.sqlite import Store

KINDS = ("inbound", "outbound")
REST_SECONDS = 30.0


def limits_in(settings: Settings) -> Limits:
    """Return what the configuration binds every chain by."""
    return limits_of(settings.limits, spam=settings.spam, virus=settings.virus)


class CurrentChains:
    """The chains of all tenants, each read and compiled in one thread, for the event loop.

    A large policy, or the files of hundreds of tenants, take longer than others may wait.
    """

    def __init__(self, chains: Chains) -> None:
        self._chains = chains
        self._pool = Pool("policy files", threads=1)

    async def chain_for(self, tenant: Tenant, kind: str) -> Chain:
        """Return the newest chain that compiles; raises CompileError when none ever did."""
        if (known := self._chains.known_chain(tenant, kind)) is not None:
            return known
        return await self._pool.run(self._chains.chain_for, tenant, kind)

    async def compile_all(self, tenants: Iterable[Tenant]) -> None:
        """Compile what changed, both ways of every tenant; who waits for one may go between.

        A broken file is so reported when it is written, and a good one kept, before mail asks.
        """
        for tenant, kind in await self._pool.run(self._changed, list(tenants)):
            with suppress(CompileError):  # reported by the chains themselves
                await self._pool.run(self._chains.chain_for, tenant, kind)

    def has_chain(self, tenant: Tenant, kind: str) -> bool:
        """Whether a chain of that kind compiled when it was last asked for."""
        return self._chains.has_chain(tenant, kind)

    def faults(self) -> dict[tuple[str, str], CompileError]:
        """Return (tenant, kind) of each chain whose newest files do not compile, and why."""
        return self._chains.faults()

    def close(self) -> None:
        """Read nothing more."""
        self._pool.close()

    def _changed(self, tenants: Iterable[Tenant]) -> list[tuple[Tenant, str]]:
        pairs = ((tenant, kind) for tenant in tenants for kind in KINDS)
        return [pair for pair in pairs if not self._chains.is_current(*pair)]


async def open_chains(base: Foundation, *, report: Report | None = None) -> CurrentChains:
    """Return the chains of all tenants, compiled when they are first asked for.

    One whose files do not compile is the one that the store kept of an earlier life; that
    is told to `report`, or logged.
    """
    directory = base.settings.resolve(base.settings.policies.directory)
    limits = limits_in(base.settings)
    shelf = Shelf(base.store, await base.store.read(kept_chains.load_all), limits)
    chains = Chains(
        directory,
        limits=limits,
        clock=time.monotonic,
        report=_on_this_loop(report or _report_broken_chain),
        keep=_on_this_loop(shelf.keep),
        recall=shelf.recall,
    )
    return CurrentChains(chains)


def _on_this_loop(work: Callable[..., None]) -> Callable[..., None]:
    """Return what has `work` done by the running loop, whatever thread asks for it."""
    loop = asyncio.get_running_loop()

    def ask_loop(*given: object) -> None:
        loop.call_soon_threadsafe(work, *given)

    return ask_loop


class Shelf:
    """The kept chains; what is already kept is not written again."""

    def __init__(
        self,
        store: Store,
        kept: dict[tuple[str, str], KeptChain],
        limits: Limits,
        *,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        """`rest_seconds` lie between two tries to write a chain while the store fails."""
        self._rest_seconds = rest_seconds
        self._store = store
        self._limits = limits
        self._kept = kept
        self._wanted: dict[tuple[str, str], KeptChain] = {}  # until it is on disk

    def keep(self, tenant: Tenant, chain: Chain) -> None:
        """Have a chain that compiled written, unless it is the one that is kept."""
        key = tenant.id, chain.kind
        before = self._wanted.get(key) or self._kept.get(key)
        if before is not None and before.version == chain.version:
            return
        wanted = KeptChain(
            tenant=tenant.id,
            kind=chain.kind,
            version=chain.version,
            content=write_kept(chain),
            kept_at=datetime.now(UTC),
        )
        self._wanted[key] = wanted
        spawn(self._write(key, wanted), name="keep chain")

    async def _write(self, key: tuple[str, str], wanted: KeptChain) -> None:
        """Write a chain, again while the store fails, unless a newer one is wanted."""
        while self._wanted.get(key) is wanted:
            try:
                await self._store.write(kept_chains.keep, wanted)
            except StoreError as error:  # such as a full disk: it may pass
                events.task_failed(task="keep chain", error=error)
                await asyncio.sleep(self._rest_seconds)
                continue
            if self._wanted.get(key) is wanted:
                self._kept[key] = self._wanted.pop(key)

    def recall(self, tenant: Tenant, kind: str) -> Chain | None:
        """Return the chain that was kept, None when there is none that this release knows."""
        kept = self._kept.get((tenant.id, kind))
        if kept is None:
            return None
        return read_kept(kept.content, tenant, kind, limits=self._limits)


def _report_broken_chain(
    tenant: Tenant, kind: str, error: CompileError, running: Chain | None
) -> None:
    for one in error.diagnostics:
        fault = f"{one.file}:{one.line}:{one.column}: {one.message}"
        version = running.version if running else "none"
        events.policy_refused(tenant=tenant.id, chain=kind, fault=fault, running=version)
