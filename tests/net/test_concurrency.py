from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from gateway.net.concurrency import keep_pauses_short, spawn_lasting


def test_work_that_must_last_outlives_its_faults_and_each_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lives: list[int] = []

    async def work() -> None:
        lives.append(len(lives))
        if len(lives) < 3:
            raise TypeError("a row that nobody thought of")

    async def scenario() -> None:
        async with asyncio.timeout(60):
            await spawn_lasting(work, name="delivery scheduler", rest_seconds=0.0)

    asyncio.run(scenario())
    assert lives == [0, 1, 2]
    told = [vars(one)["details"] for one in caplog.records]
    assert [one["task"] for one in told] == ["delivery scheduler"] * 2
    assert all("TypeError: a row that nobody thought of" in one["error"] for one in told)


def test_work_that_must_last_ends_when_it_is_cancelled() -> None:
    async def scenario() -> None:
        begun = asyncio.Event()

        async def work() -> None:
            begun.set()
            await asyncio.Event().wait()

        task = spawn_lasting(work, name="delivery scheduler")
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


def test_a_thread_that_computes_gives_way_soon_and_what_stays_is_searched_once() -> None:
    before = sys.getswitchinterval()
    try:
        keep_pauses_short()
        assert sys.getswitchinterval() < 0.005
        assert gc.get_freeze_count() > 0
    finally:
        sys.setswitchinterval(before)
        gc.unfreeze()
