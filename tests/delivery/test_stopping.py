"""The end of the scheduler: what is waited for, what goes back, what the journal tells."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.delivery.rate import LaneLimits
from gateway.mail.delivery import Batch, Lane, LaneKind, Result
from gateway.sandbox.misbehaviour import Fault
from gateway.sandbox.misbehaviour import Phase as At
from gateway.store import journal, lanes
from tests.delivery.post_office import LANE, PATIENT, SECONDS, open_post_office

Run = Callable[[Awaitable[Any]], Any]


def test_stopping_waits_for_what_is_past_the_dot_and_gives_the_rest_back(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        soon = replace(PATIENT, dot_seconds=1)
        async with open_post_office(tmp_path, started=False, timeouts=soon) as office:
            office.limits[LANE] = LaneLimits(connections=1)
            office.misbehave(at={At.DOT: Fault.HANG})
            for number in range(3):
                await office.accept(f"r{number}@example.net")
            past_dot = asyncio.Event()
            confirm = office.leases.confirm

            async def noticed(batch: Any) -> bool:
                answer = await confirm(batch)
                past_dot.set()
                return answer

            office.sender._confirm = noticed
            await office.scheduler.start()
            await past_dot.wait()
            await office.scheduler.stop(grace_seconds=0.05)
            states = await office.states()
            assert Counter(states.values()) == {"deferred": 1, "queued": 2}

    run(work())


def test_a_pause_lets_nothing_begin_that_was_claimed_before(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.limits[LANE] = LaneLimits(connections=1)
            for number in range(2):
                await office.accept(f"r{number}@example.net")
            confirm, at_dot, paused = office.leases.confirm, asyncio.Event(), asyncio.Event()

            async def held_up(batch: Any) -> bool:
                at_dot.set()
                await paused.wait()
                return await confirm(batch)

            office.sender._confirm = held_up
            await office.scheduler.start()
            await at_dot.wait()
            assert await office.states() == dict.fromkeys(await office.states(), "claimed")
            await office.store.write(
                lanes.pause_lane, LANE, by="person", reason="wait", fix=None,
                now=datetime.now(UTC),
            )  # fmt: skip
            async with asyncio.timeout(SECONDS):
                while not office.scheduler._ways[LANE].is_halted:
                    await office.recorded()
            paused.set()
            await office.wait_until(lambda one: "claimed" not in one.values())
            assert Counter((await office.states()).values()) == {"delivered": 1, "queued": 1}
            await office.scheduler.stop(grace_seconds=1)

    run(work())


def test_stopping_does_not_wait_for_a_server_that_hangs_before_the_dot(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.misbehave(at={At.MAIL: Fault.HANG})
            await office.accept()
            await office.scheduler.start()
            await office.provider.logins.wait_for()
            await office.scheduler.stop(grace_seconds=0.05)
            assert await office.states() == {"ann@example.net": "queued"}

    run(work())


def test_what_is_cut_short_on_its_way_to_a_folder_is_told_as_perhaps_delivered(
    run: Run, tmp_path: Path
) -> None:
    """An APPEND goes on in its thread: before it is repeated, its folder is looked at."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            begun = asyncio.Event()

            async def append(batch: Batch) -> list[Result]:
                begun.set()
                await asyncio.Event().wait()
                return []

            office.scheduler._attempts = {LaneKind.ROUTE: append}
            id_ = await office.accept(lane=Lane("acme", LaneKind.ROUTE, "desk"))
            await office.scheduler.start()
            await begun.wait()
            await office.scheduler.stop(grace_seconds=0.01)
            assert await office.store.read(journal.was_interrupted, id_)

    run(work())
