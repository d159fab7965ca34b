from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.outcome import Outcomes
from gateway.mail.delivery import Batch, Outgoing, Recorded, Result
from gateway.mail.tenant import Tenant
from gateway.store import journal, suppressions
from gateway.store.sqlite import Db
from tests.delivery.post_office import TENANT, PostOffice, open_post_office

Run = Callable[[Awaitable[Any]], Any]
NOW = datetime.now(UTC)


def _bounces(db: Db) -> list[tuple[str, str, str]]:
    rows = db.execute(
        "SELECT m.origin, d.lane, d.recipient FROM message m JOIN delivery d"
        " ON d.message = m.id WHERE m.kind = 'bounce'"
    )
    return list(rows.fetchall())


async def _failed(office: PostOffice) -> tuple[Batch, list[Result]]:
    office.misbehave(recipients={"ben@example.net": "550 5.1.1 no such user"})
    await office.accept("ann@example.net", "ben@example.net")
    batch = await office.claim()
    return batch, await office.sender.attempt(batch)


@pytest.mark.parametrize(("tenant", "bounced"), [(TENANT, True), (None, False)])
def test_a_failure_and_its_bounce_are_one_record(
    run: Run, tmp_path: Path, tenant: Tenant | None, bounced: bool
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            batch, results = await _failed(office)
            outcomes = Outcomes(find_tenant=lambda _: tenant, hostname="gw.example")
            await office.store.write(outcomes.record, batch, results, now=NOW)
            told = [(batch.message, "desk", "d@desk.example")] if bounced else []
            assert await office.store.read(_bounces) == told
            states = await office.states()
            assert states == {"ann@example.net": "delivered", "ben@example.net": "failed"}

    run(work())


def test_a_dead_address_is_suppressed_with_the_record_that_proves_it(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            batch, results = await _failed(office)
            outcomes = Outcomes(find_tenant=lambda _: TENANT, hostname="gw.example")
            await office.store.write(outcomes.record, batch, results, now=NOW)
            (entry,) = await office.store.read(suppressions.entries, now=NOW)
            assert (entry.tenant, entry.address) == ("acme", "ben@example.net")
            assert entry.evidence == f"550 5.1.1 no such user (message {batch.message})"
            told = await office.store.read(journal.timeline, batch.message)
            assert told is not None
            (row,) = [one for one in told.entries if one.event == "recipient.suppressed"]
            assert entry.remove_command in row.detail["fix"]

    run(work())


def test_a_record_that_is_repeated_bounces_nothing_again(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            batch, results = await _failed(office)
            outcomes = Outcomes(find_tenant=lambda _: TENANT, hostname="gw.example")
            for _ in range(2):
                await office.store.write(outcomes.record, batch, results, now=NOW)
            assert len(await office.store.read(_bounces)) == 1

    run(work())


def test_what_follows_is_queued_with_the_record(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            batch, results = await _failed(office)
            seen: list[tuple[int, int]] = []

            def follow_ups(
                _batch: Batch, recorded: Recorded, _now: datetime
            ) -> Sequence[Outgoing]:
                seen.append((len(recorded.delivered), len(recorded.failed)))
                return ()

            outcomes = Outcomes(
                find_tenant=lambda _: None, hostname="gw.example", follow_ups=follow_ups
            )
            await office.store.write(outcomes.record, batch, results, now=NOW)
            assert seen == [(1, 1)]

    run(work())
