from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.delivery.rate import LaneLimits
from gateway.delivery.way import MOST_BYTES, Way
from gateway.mail.delivery import (
    Attempt,
    Batch,
    Decision,
    Kind,
    Lane,
    LaneKind,
    Phase,
    Result,
    Verdict,
)
from gateway.mail.envelope import Envelope
from gateway.mail.reply import Reply
from gateway.net.concurrency import spawn
from gateway.store.lanes import LaneState

Run = Callable[[Awaitable[Any]], Any]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LANE = Lane("acme", LaneKind.UPSTREAM, "own")
LIMITS = LaneLimits(connections=8)
PAUSED = LaneState(
    lane=LANE,
    paused_by="sign-in",
    reason="r",
    fix=None,
    since=NOON - timedelta(hours=3),
    until=NOON,
    rate_per_minute=None,
    refusals=4,
)
BATCH = Batch(
    message="01JD0000000000000A",
    lane=LANE,
    kind=Kind.SUBMISSION,
    token="t1",
    lease_until=NOON,
    envelope=Envelope(return_path=None, recipients=()),
    content=b"",
    edits=(),
    message_id="<x@acme.example>",
    header_from="support@acme.example",
    accepted_at=NOON,
    origin=None,
    deliveries=(),
)


def _way() -> Way:
    return Way(LANE, LIMITS, learned_per_minute=None, now=NOON)


def _result(phase: Phase, decision: Decision, cause: str = "deferred") -> Result:
    attempt = Attempt(at=NOON, host="mx", phase=phase, reply=Reply(0, None, "x"))
    verdict = Verdict(decision=decision, cause=cause, meaning="m")
    return Result(delivery=1, attempt=attempt, verdict=verdict, next_attempt_at=None)


UNREACHED = _result(Phase.CONNECT, Decision.DEFER, "unreachable")
DELIVERED = _result(Phase.AFTER_DOT, Decision.DELIVERED, "accepted")


def test_why_it_rests_is_told_again_after_a_person_has_asked() -> None:
    way = _way()
    way.rest_told = "m"
    way.refresh(LIMITS, replace(PAUSED, rest_reason=None))
    assert way.rest_told is None


def test_a_lane_that_cannot_be_reached_rests_longer_and_longer() -> None:
    way = _way()
    rests = []
    for _ in range(6):
        way.learn_reach([UNREACHED], now=NOON)
        rests.append((way.rests_until - NOON).total_seconds())
    assert rests == [10, 30, 60, 300, 300, 300]
    assert way.is_halted
    assert way.ready_at(NOON) == way.rests_until


def test_a_clock_that_is_set_back_makes_no_rest_longer() -> None:
    way, back = _way(), NOON - timedelta(days=1)
    way.learn_reach([UNREACHED], now=NOON)
    assert way.ready_at(back) == back + timedelta(seconds=10)
    way.rest_for(timedelta(seconds=1), now=NOON)
    assert way.ready_at(back) == back + timedelta(seconds=1)


def test_after_a_rest_one_message_goes_first_and_success_ends_the_trial() -> None:
    way = _way()
    assert (way.connections, way.room(NOON)) == (8, 16)
    way.learn_reach([UNREACHED], now=NOON)
    way.refresh(LIMITS, None)
    later = way.rests_until
    assert (way.connections, way.room(NOON), way.room(later)) == (1, 0, 1)
    way.learn_reach([DELIVERED], now=later)
    assert (way.connections, way.is_to_resume) == (8, False)


def test_too_many_sign_ins_rest_for_a_quarter_of_an_hour() -> None:
    way = _way()
    way.learn_reach([_result(Phase.AUTH, Decision.SLOW_DOWN, "login-throttled")], now=NOON)
    assert way.rests_until == NOON + timedelta(minutes=15)


def test_too_many_connections_halve_their_number() -> None:
    way = _way()
    result = _result(Phase.MAIL, Decision.SLOW_DOWN, "too-many-connections")
    way.learn_rate([result], now=NOON + timedelta(seconds=1))
    assert way.connections == 4


def test_a_lane_whose_pause_is_over_is_on_trial_until_a_message_gets_through() -> None:
    way = _way()
    way.refresh(LIMITS, PAUSED)
    assert (way.is_on_trial, way.connections) == (True, 1)
    way.learn_reach([UNREACHED], now=NOON)
    assert not way.is_to_resume
    way.learn_reach([DELIVERED], now=NOON)
    assert way.is_to_resume


def test_the_next_sign_in_counts_from_the_first_refusal() -> None:
    way = _way()
    assert way.sign_in_at("wrong-secret", now=NOON) == NOON + timedelta(minutes=1)
    way.refresh(LIMITS, PAUSED)
    assert way.sign_in_at("wrong-secret", now=NOON) == NOON + timedelta(hours=1)
    way.refresh(LIMITS, replace(PAUSED, since=NOON - timedelta(days=2)))
    assert way.sign_in_at("wrong-secret", now=NOON) == NOON + timedelta(days=1)


async def _begin(way: Way, batch: Batch, end: asyncio.Event) -> asyncio.Task[None]:
    async def carry() -> None:
        await end.wait()

    task = spawn(carry(), name="carry")
    way.started(task, batch)
    return task


def test_a_session_is_free_again_while_its_record_is_written(run: Run) -> None:
    async def work() -> None:
        way = Way(LANE, LaneLimits(connections=1), learned_per_minute=None, now=NOON)
        end = asyncio.Event()
        task = await _begin(way, BATCH, end)
        waiting = spawn(way.wait_for_slot(), name="wait")
        await asyncio.sleep(0)
        assert not waiting.done()
        way.sent(BATCH)
        assert await waiting
        end.set()
        await task
        await way.wait_until_idle()

    run(work())


def test_another_session_waits_while_much_is_in_flight(run: Run) -> None:
    async def work() -> None:
        way, end = _way(), asyncio.Event()
        task = await _begin(way, replace(BATCH, content=bytes(MOST_BYTES)), end)
        waiting = spawn(way.wait_for_slot(), name="wait")
        await asyncio.sleep(0)
        assert not waiting.done()
        end.set()
        await task
        assert await waiting

    run(work())
