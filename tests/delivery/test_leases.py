from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.delivery.leases import Leases
from gateway.mail.address import parse_address
from gateway.mail.delivery import Batch, Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.net.concurrency import spawn, stop_tasks
from gateway.store import queue
from gateway.store.sqlite import Store

Run = Callable[[Awaitable[Any]], Any]
LANE = Lane("acme", LaneKind.UPSTREAM, "own")
ENVELOPE = Envelope(
    return_path=parse_address("support@acme.example"),
    recipients=(Recipient(parse_address("ann@example.net")),),
)


async def _claimed(store: Store, lease: timedelta) -> Batch:
    now = datetime.now(UTC)
    outgoing = Outgoing(
        id="01JD0000000000000A", tenant="acme", lane=LANE, kind=Kind.SUBMISSION,
        envelope=ENVELOPE, content=b"Subject: x\r\n\r\n", message_id="<x@acme.example>",
        header_from="support@acme.example",
    )  # fmt: skip
    await store.write(queue.accept, outgoing, now=now)
    [batch] = await store.write(
        queue.claim, LANE, owner="node", now=now, lease=lease, messages=1, recipients=10
    )
    return batch


def test_a_lease_with_time_left_is_ours_and_past_the_dot_from_then_on(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        store = Store.open(tmp_path / "gateway.db")
        leases = Leases(store)
        batch = await _claimed(store, timedelta(minutes=5))
        leases.hold(batch)
        assert not leases.is_past_dot(batch)
        assert await leases.confirm(batch)
        assert leases.is_past_dot(batch)
        leases.drop(batch)
        assert not await leases.confirm(batch)
        store.close()

    run(work())


def test_a_lease_that_runs_out_is_renewed_before_the_dot(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        store = Store.open(tmp_path / "gateway.db")
        leases = Leases(store)
        batch = await _claimed(store, timedelta(seconds=1))
        leases.hold(batch)
        assert await leases.confirm(batch)
        store.close()

    run(work())


def test_a_lease_that_another_took_over_is_not_ours(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        store = Store.open(tmp_path / "gateway.db")
        leases = Leases(store)
        batch = await _claimed(store, timedelta(seconds=1))
        leases.hold(batch)
        await store.write(queue.release_leases, owner_prefix="node")
        assert not await leases.confirm(batch)
        assert not leases.is_past_dot(batch)
        store.close()

    run(work())


def test_leases_are_renewed_while_they_are_held(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        store = Store.open(tmp_path / "gateway.db")
        leases = Leases(store, length=timedelta(seconds=0.4))
        batch = await _claimed(store, leases.length)
        leases.hold(batch)
        keeping = spawn(leases.keep(), name="leases")
        while not await store.read(_lease_after, batch.lease_until):
            assert not keeping.done()
        await stop_tasks([keeping])
        store.close()

    run(work())


def _lease_after(db: Any, until: datetime) -> bool:
    [(lease,)] = db.execute("SELECT lease_until FROM delivery").fetchall()
    return bool(lease > until.timestamp())
