"""Policies are read and compiled beside the event loop."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gateway.app.policies import CurrentChains
from gateway.net.concurrency import spawn
from gateway.policy.files import Chains
from gateway.sieve.interface import CompileError, Limits
from tests.policy.test_files import ACME, write

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
