from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.rounds import go_round
from gateway.mail.delivery import Lane, LaneKind
from gateway.store import people
from tests.delivery.post_office import PostOffice, open_post_office

Run = Callable[[Awaitable[Any]], Any]
NOWHERE = Lane("acme", LaneKind.NONE, "")
WEEK = timedelta(days=7)


async def _state(office: PostOffice) -> str:
    (entry,) = await office.store.read(people.entries)
    return entry.recipients[0].state


def _age(db: Any, *, days: int) -> None:
    db.execute("UPDATE delivery SET stalled_since = stalled_since - ?", (days * 86400,))


def test_what_waited_too_long_is_held_and_said_aloud(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            id_ = await office.accept(lane=NOWHERE)
            late = datetime.now(UTC) + WEEK
            assert await go_round(office.store, stale_after=WEEK, now=late) == 0
            assert await _state(office) == "held"
            [told] = [one for one in caplog.records if one.message == "delivery.stale"]
            assert id_ in str(vars(told)["details"])

    run(work())


def test_a_running_scheduler_goes_its_rounds(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept(lane=NOWHERE)
            await office.store.write(_age, days=8)
            await office.scheduler.start()
            async with asyncio.timeout(60):
                while await _state(office) != "held":
                    await office.recorded()
            await office.scheduler.stop()

    run(work())
