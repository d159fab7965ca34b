from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.rounds import go_round
from gateway.mail.delivery import Lane, LaneKind
from gateway.store import lanes, people
from tests.delivery.post_office import LANE, PostOffice, open_post_office

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


def test_a_lease_that_ran_out_is_taken_over_though_nothing_else_is_due(
    run: Run, tmp_path: Path
) -> None:
    """The server had another name: its backup is gone on with on another machine."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept()
            batch = await office.claim()
            later = batch.lease_until + timedelta(seconds=1)
            at_work = {batch.token}
            assert not await go_round(office.store, stale_after=WEEK, spared=at_work, now=later)
            assert await go_round(office.store, stale_after=WEEK, now=later) == 1
            assert await _state(office) == "queued"

    run(work())


@pytest.mark.parametrize("kind", ["upstream", "mailbox", None])
def test_what_waits_for_a_way_that_is_gone_is_held(
    run: Run, tmp_path: Path, kind: str | None
) -> None:
    """It was being sent when its upstream was removed by force: an alert would never end."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.store.write(_add_tenant, kind)
            await office.accept()
            now = datetime.now(UTC)
            await office.store.write(
                lanes.pause_lane, LANE, by="sign-in", reason="gone", fix=None, now=now
            )
            await go_round(office.store, stale_after=WEEK, now=now)
            is_paused = await office.lane_state() is not None
            found = (await _state(office), is_paused)
            assert found == (("held", False) if kind is None else ("queued", True))

    run(work())


def _add_tenant(db: Any, kind: str | None) -> None:
    """Add the tenant of LANE, and an item of the lane's name that may be its way."""
    db.execute("INSERT INTO tenants (id, settings, changed_at) VALUES ('acme', '{}', 0)")
    if kind is not None:
        query = "INSERT INTO tenant_items (tenant, kind, name, settings) VALUES (?,?,?,'{}')"
        db.execute(query, ("acme", kind, LANE.name))


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
