"""A store, or we, fail while mail is sent: what was sent is recorded, and not sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.rate import LaneLimits
from gateway.delivery.upstream import Account
from gateway.mail.delivery import Batch
from gateway.store import interrupted, journal, lanes, people
from gateway.store.errors import StoreError, StoreFull
from tests.delivery.post_office import LANE, PostOffice, open_post_office

Run = Callable[[Awaitable[Any]], Any]
QUOTA = "550 5.4.5 Daily user sending limit exceeded"


@pytest.mark.parametrize("fault", [StoreFull("no room"), StoreError("database is locked")])
def test_what_was_sent_while_the_store_failed_is_recorded_and_not_sent_again(
    run: Run, tmp_path: Path, fault: StoreError
) -> None:
    """Nothing more is begun until it is: its record would fail as well."""

    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.limits[LANE] = LaneLimits(connections=1)
            office.record_faults = [fault, fault]
            await office.accept("ann@example.net")
            while len(office.record_faults) == 2:
                await office.recorded()
            await office.accept("ben@example.net")
            await office.wait_until(lambda one: [*one.values()] == ["delivered"] * 2)
            assert not office.record_faults
            assert len(office.provider.captured) == 2

    run(work())


def test_what_was_sent_is_recorded_though_its_lane_could_not_be_paused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One recipient of two used up the quota while the disk was full."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.accounts[LANE] = office.account(preset="gmail")
            office.misbehave(recipients={"ben@example.net": QUOTA})
            write, faults = office.store.write, [StoreFull("no room")]

            async def failing(work: Any, *args: Any, **options: Any) -> Any:
                if "pause" in work.__name__ and faults:
                    raise faults.pop()
                return await write(work, *args, **options)

            monkeypatch.setattr(office.store, "write", failing)
            await office.accept("ann@example.net", "ben@example.net")
            await office.scheduler.start()
            states = await office.wait_until(lambda one: "delivered" in one.values())
            assert states == {"ann@example.net": "delivered", "ben@example.net": "deferred"}
            assert not faults
            await office.scheduler.stop(grace_seconds=1)

    run(work())


def test_a_fault_of_ours_is_told_and_its_mail_rests_and_is_tried_again(
    run: Run, tmp_path: Path
) -> None:
    """It does not wait for the end of its lease, and no other mail waits for it."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            fail_once(office, ValueError("a fault of ours"))
            office.limits[LANE] = LaneLimits(connections=1)
            broken = await office.accept("ann@example.net")
            await office.accept("ben@example.net")
            await office.scheduler.start()
            states = await office.wait_until(lambda one: "delivered" in one.values())
            assert states == {"ann@example.net": "queued", "ben@example.net": "delivered"}
            (waits,) = await office.store.read(people.entries)
            assert (waits.id, waits.reason) == (broken, interrupted.FAULT)
            await office.store.write(people.retry, broken, now=datetime.now(UTC))
            await office.wait_until(lambda one: {*one.values()} == {"delivered"})
            await office.scheduler.stop(grace_seconds=1)

    run(work())


def test_what_was_taken_is_recorded_though_what_follows_from_it_cannot_be_made(
    run: Run, tmp_path: Path
) -> None:
    """Such as the bounce for another: the first would have the mail again and again."""

    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.misbehave(recipients={"ben@example.net": "550 5.1.1 no such user"})
            office.record_faults = [ValueError("a fault of ours")]
            id_ = await office.accept("ann@example.net", "ben@example.net")
            states = await office.wait_until(lambda one: "delivered" in one.values())
            assert states == {"ann@example.net": "delivered", "ben@example.net": "queued"}
            await office.store.write(people.retry, id_, now=datetime.now(UTC))
            await office.wait_until(lambda one: "failed" in one.values())
            assert len(office.provider.captured) == 1

    run(work())


def test_what_is_not_begun_for_a_fault_of_the_store_is_queued_and_the_lane_rests(
    run: Run, tmp_path: Path
) -> None:
    """Such as a password that was sealed by another key than that of the backup."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            ids = [await office.accept(f"r{number}@example.net") for number in range(3)]
            faults = fail_once(office, StoreError("another secret.key"))
            office.limits[LANE] = LaneLimits(connections=1)
            await office.scheduler.start()
            while faults:
                await office.recorded()
            await office.wait_until(lambda one: {*one.values()} == {"queued"})
            (waits, *_) = await office.store.read(people.entries)
            assert waits.reason == "another secret.key"
            await office.store.write(lanes.ask, LANE, now=datetime.now(UTC))
            await office.wait_until(lambda one: {*one.values()} == {"delivered"})
            story = await office.store.read(journal.timeline, ids[0])
            assert story is not None
            assert [one.event for one in story.entries] == [
                "message.accepted", "delivery.delivered",
            ]  # fmt: skip
            await office.scheduler.stop(grace_seconds=1)

    run(work())


def fail_once(office: PostOffice, fault: Exception) -> list[Exception]:
    """Have the next look for an account raise `fault`; return it until it was raised."""
    find_account, faults = office.find_account, [fault]

    async def failing(batch: Batch, refused: str | None) -> Account | None:
        if faults:
            raise faults.pop()
        return await find_account(batch, refused)

    office.sender._find_account = failing
    return faults
