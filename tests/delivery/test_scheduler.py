from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.delivery.rate import LaneLimits
from gateway.mail.delivery import Lane, LaneKind
from gateway.sandbox.misbehaviour import Phase as At
from gateway.store import lanes, people, tenants
from gateway.store.lanes import LaneState
from gateway.store.sqlite import Db
from tests.delivery.post_office import LANE, SECONDS, PostOffice, open_post_office

Run = Callable[[Awaitable[Any]], Any]
OTHER = Lane("zeta", LaneKind.UPSTREAM, "own")


def _all(state: str, count: int = 1) -> Callable[[dict[str, str]], bool]:
    return lambda states: Counter(states.values()) == {state: count}


async def _lane(office: PostOffice, holds: Callable[[LaneState], bool]) -> LaneState:
    async with asyncio.timeout(SECONDS):
        while True:
            state = await office.lane_state()
            if state is not None and holds(state):
                return state
            await office.recorded()


def test_what_is_accepted_is_delivered_and_recorded(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            await office.accept("ann@example.net", "ben@example.net")
            await office.wait_until(_all("delivered", 2))
            [captured] = office.provider.captured
            assert len(captured.envelope.recipients) == 2

    run(work())


def test_many_messages_go_by_as_many_sessions_as_are_allowed(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            ids = {await office.accept(f"r{n}@example.net") for n in range(40)}
            await office.wait_until(_all("delivered", 40))
            subjects = {
                one.content.split(b"Subject: ")[1][:18] for one in office.provider.captured
            }
            assert {one.decode() for one in subjects} == ids
            assert 1 <= len(office.provider.logins) <= 4

    run(work())


def test_what_was_being_sent_when_we_died_is_sent_again_at_once(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept()
            await office.claim()  # by an earlier life of this process
            await office.scheduler.start()
            await office.wait_until(_all("delivered"))
            await office.scheduler.stop()

    run(work())


def test_a_failed_recipient_bounces_to_the_route(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.misbehave(recipients={"ann@example.net": "550 5.1.1 no such user"})
            await office.accept()
            await office.wait_until(_all("failed"))
            due = await office.store.read(lanes.due_lanes, now=datetime.now(UTC))
            assert [one.lane for one in due] == [Lane("acme", LaneKind.ROUTE, "desk")]

    run(work())


def test_a_dead_upstream_delays_nobody_else(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            hanging = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
            port = hanging.sockets[0].getsockname()[1]
            office.accounts[OTHER] = office.account(port=port)
            for number in range(20):
                await office.accept(f"dead{number}@example.net", lane=OTHER)
            await office.accept("ann@example.net")
            states = await office.wait_until(lambda one: one["ann@example.net"] == "delivered")
            assert Counter(states.values())["delivered"] == 1
            hanging.close()

    run(work())


def test_after_a_lost_connection_the_lane_rests_and_one_message_goes_first(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.limits[LANE] = LaneLimits(connections=1)
            office.accounts[LANE] = office.account(port=1)
            for number in range(5):
                await office.accept(f"r{number}@example.net")
            states = await office.wait_until(lambda one: "deferred" in one.values())
            await office.scheduler.stop()
            states = await office.states()
            assert Counter(states.values()) == {"deferred": 1, "queued": 4}
            waiting = await office.store.read(people.entries)
            assert all("refused" in str(one.reason) for one in waiting)
            assert {one.fix for one in waiting} == {"gateway upstream test acme own tells why"}

    run(work())


def test_a_person_who_wants_a_try_now_ends_the_rest_of_the_lane(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.accounts[LANE] = office.account(port=1)
            id_ = await office.accept()
            await office.wait_until(_all("deferred"))
            await _retry(office, id_)
            await office.wait_until(_all("deferred"))  # from now on it rests for 30 seconds
            del office.accounts[LANE]
            await _retry(office, id_)
            await office.wait_until(_all("delivered"))

    run(work())


def test_a_resumed_upstream_is_tried_at_once_though_it_rested(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.accounts[LANE] = office.account(port=1)
            await office.accept()
            await office.wait_until(_all("deferred"))
            await _lane(office, lambda one: one.rest_reason is not None)
            del office.accounts[LANE]
            await office.store.write(lanes.resume_lane, LANE, now=datetime.now(UTC))
            office.scheduler.wake()
            await office.wait_until(_all("delivered"))
            await _lane(office, lambda one: one.rest_reason is None)

    run(work())


async def _retry(office: PostOffice, message: str) -> None:
    await office.store.write(people.retry, message, now=datetime.now(UTC))
    office.scheduler.wake()


def test_a_refused_sign_in_pauses_the_lane_and_the_repair_drains_it(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.misbehave(refuse_login="5.7.8 wrong password")
            for number in range(12):
                await office.accept(f"r{number}@example.net")
            state = await _lane(office, lambda one: one.paused_by is not None)
            assert (state.paused_by, state.refusals) == ("sign-in", 1)
            refused = "The server refused the user name or password."
            assert state.reason == f'{refused} The server said: "535 5.7.8 wrong password"'
            assert state.until is not None
            await office.wait_until(_all("queued", 12))  # nothing failed, nothing was lost
            assert len(office.provider.logins) <= 4
            office.misbehave()
            await office.store.write(lanes.resume_lane, LANE, now=datetime.now(UTC))
            office.scheduler.wake()
            await office.wait_until(_all("delivered", 12))

    run(work())


def test_a_lane_without_an_account_is_paused_and_its_give_up_clock_stands_still(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.accounts[LANE] = None
            for number in range(3):
                await office.accept(f"r{number}@example.net")
            state = await _lane(office, lambda one: one.paused_by is not None)
            assert state.paused_by == "sign-in"
            assert "has no password" in (state.reason or "")
            await office.wait_until(_all("queued", 3))
            office.scheduler.wake()
            assert await office.store.read(_running_clocks) == 0
            office.accounts[LANE] = office.account()
            await office.store.write(lanes.resume_lane, LANE, now=datetime.now(UTC))
            office.scheduler.wake()
            await office.wait_until(_all("delivered", 3))

    run(work())


def _running_clocks(db: Db) -> int:
    query = "SELECT count(*) FROM delivery WHERE sendable_since IS NOT NULL"
    return int(db.execute(query).fetchone()[0])


def test_a_refusal_of_what_was_replaced_meanwhile_pauses_nothing(
    run: Run, tmp_path: Path
) -> None:
    """The old password was under way when the new one was applied."""

    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.misbehave(refuse_login="5.7.8 wrong password")
            await office.store.write(tenants.bump)
            await office.accept("ann@example.net")
            await office.wait_until(lambda _: len(office.provider.logins) >= 1)
            office.misbehave()
            office.revision = await office.store.read(tenants.revision)
            await office.wait_until(_all("delivered", 1))
            states = await office.store.read(lanes.lane_states)
            assert [one.paused_by for one in states if one.paused_by] == []

    run(work())


def _until_now(db: Any) -> None:
    db.execute("UPDATE lanes SET until = 1")


def test_when_the_pause_is_over_one_message_signs_in_and_the_rest_follows(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.misbehave(refuse_login="5.7.8 wrong password")
            await office.accept("first@example.net")
            await _lane(office, lambda one: one.paused_by is not None)
            for number in range(11):
                await office.accept(f"r{number}@example.net")
            tried = len(office.provider.logins)
            await office.store.write(_until_now)
            office.scheduler.wake()
            await _lane(office, lambda one: one.refusals == 2)
            assert len(office.provider.logins) == tried + 1
            office.misbehave()
            await office.store.write(_until_now)
            office.scheduler.wake()
            await office.wait_until(_all("delivered", 12))
            state = await _lane(office, lambda one: one.paused_by is None)
            assert state.refusals == 0

    run(work())


def test_a_quota_that_is_used_up_pauses_the_lane_for_a_day(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.accounts[LANE] = office.account(preset="sendgrid")
            office.misbehave(
                at={At.AUTH: "451 Authentication failed: Maximum credits exceeded"}
            )
            await office.accept()
            state = await _lane(office, lambda one: one.paused_by is not None)
            assert state.paused_by == "quota"
            assert state.until is not None
            assert state.since is not None
            assert (state.until - state.since).total_seconds() == 24 * 3600
            await office.wait_until(_all("deferred"))

    run(work())


def test_a_request_to_slow_down_halves_the_rate_and_is_kept(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.limits[LANE] = LaneLimits(connections=2, rate_per_minute=1200)
            office.misbehave(at={At.RCPT: "452 4.3.1 slower please"})
            await office.accept()
            state = await _lane(office, lambda one: one.rate_per_minute is not None)
            assert state.rate_per_minute == 600

    run(work())


def test_the_learned_rate_survives_a_restart(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.store.write(lanes.set_rate, LANE, per_minute=1.0)
            for number in range(5):
                await office.accept(f"r{number}@example.net")
            await office.scheduler.start()
            states = await office.wait_until(lambda one: "delivered" in one.values())
            assert Counter(states.values()) == {"delivered": 1, "queued": 4}
            await office.scheduler.stop()

    run(work())


def test_a_paused_lane_sends_nothing(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            now = datetime.now(UTC)
            await office.store.write(
                lanes.pause_lane, LANE, by="person", reason="moving house", fix=None, now=now
            )
            await office.accept("ann@example.net")
            await office.accept("zoe@example.net", lane=OTHER)
            states = await office.wait_until(lambda one: one["zoe@example.net"] == "delivered")
            assert states["ann@example.net"] == "queued"

    run(work())


def test_a_pause_counts_while_a_long_queue_leaves(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            office.limits[LANE] = LaneLimits(connections=1)
            office.misbehave(slow_seconds=0.02)
            for number in range(20):
                await office.accept(f"r{number}@example.net")
            await office.scheduler.start()
            await office.wait_until(lambda one: "delivered" in one.values())
            await office.store.write(
                lanes.pause_lane, LANE, by="person", reason="stop", fix=None,
                now=datetime.now(UTC),
            )  # fmt: skip
            paused = Counter((await office.states()).values())
            await office.accept("zoe@example.net", lane=OTHER)
            states = await office.wait_until(lambda one: one["zoe@example.net"] == "delivered")
            assert Counter(states.values())["queued"] == paused["queued"] > 0
            await office.scheduler.stop(grace_seconds=1)

    run(work())


def test_recipients_beyond_a_limit_go_in_a_transaction_of_their_own(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path) as office:
            office.limits[LANE] = LaneLimits(recipients_per_message=2)
            await office.accept(*(f"r{number}@example.net" for number in range(5)))
            await office.wait_until(_all("delivered", 5))
            sizes = sorted(len(one.envelope.recipients) for one in office.provider.captured)
            assert sizes == [1, 2, 2]

    run(work())
