"""Policies are read and compiled beside the event loop."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gateway.app.policies import CurrentChains, Shelf
from gateway.mail.tenant_file import read_tenant_file
from gateway.net.concurrency import spawn
from gateway.policy.files import Chains, load_chain
from gateway.sieve.interface import CompileError, Limits
from gateway.store import tenants
from gateway.store.chains import load_all
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.policy.test_files import ACME, write
from tests.store.values import NOON, refuse_writes

LARGE = 'if header :contains "Subject" ["a", "b"] { addflag "x"; }\n' * 500


def current(directory: Path) -> CurrentChains:
    chains = Chains(directory, limits=Limits(), clock=time.monotonic, report=lambda *_: None)
    return CurrentChains(chains)


def test_the_loop_goes_on_while_a_large_policy_is_compiled(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", LARGE)

    async def turns_meanwhile() -> int:
        chains, turns = current(tmp_path), 0
        task = spawn(chains.chain_for(ACME, "inbound"), name="compile")
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        assert await chains.chain_for(ACME, "inbound") is task.result()
        chains.close()
        return turns

    assert asyncio.run(turns_meanwhile()) > 10


def test_all_chains_are_compiled_and_a_broken_one_is_none(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", "broken\n")

    async def compiled() -> None:
        chains = current(tmp_path)
        assert not chains.has_chain(ACME, "outbound")
        await chains.compile_all([ACME])
        assert chains.has_chain(ACME, "outbound")
        assert not chains.has_chain(ACME, "inbound")
        assert list(chains.faults()) == [("acme", "inbound")]
        with pytest.raises(CompileError):
            await chains.chain_for(ACME, "inbound")
        chains.close()

    asyncio.run(compiled())


def test_a_chain_that_could_not_be_kept_is_kept_once_it_can(tmp_path: Path) -> None:
    """Else a broken edit after the next start would leave the tenant without policies."""
    write(tmp_path, "inbound/1.sieve", "keep;\n")
    chain = load_chain(tmp_path, ACME, "inbound")
    store, seal = Store.open(tmp_path / "gateway.db"), Seal.load(tmp_path / "secret.key")
    file = read_tenant_file({"tenant": ACME.id})
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)

    async def keep() -> None:
        await store.read(refuse_writes, on=True)
        Shelf(store, {}, Limits(), rest_seconds=0.0).keep(ACME, chain)
        await asyncio.sleep(0)  # it is asked of the store
        assert await store.read(load_all) == {}
        await store.read(refuse_writes, on=False)
        async with asyncio.timeout(30):
            while not await store.read(load_all):
                continue

    asyncio.run(keep())
    (kept,) = store.read_now(load_all).values()
    store.close()
    assert kept.version == chain.version
