"""Claims what is due, lane by lane, within the limits of tenant and upstream.

Each lane drains in a task of its own, so a dead upstream delays nobody else. It wakes when
something is accepted, when the next delivery is due, and once a second for what another
process changed. A lane whose sign-in was refused is paused, and tried with one message after
a growing wait; the rest follows when that one goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from gateway import events
from gateway.delivery.leases import Leases
from gateway.delivery.outcome import Record, report
from gateway.delivery.rate import LaneLimits
from gateway.delivery.retry import QUOTA_WAIT
from gateway.delivery.rounds import go_rounds
from gateway.delivery.setback import put_off, set_back
from gateway.delivery.way import Way
from gateway.mail.delivery import (
    Batch,
    Decision,
    Lane,
    LaneKind,
    Result,
)
from gateway.net.concurrency import spawn, spawn_lasting, stop_tasks
from gateway.store import interrupted, lanes, queue, tenants
from gateway.store.errors import StoreError, StoreFull
from gateway.store.lanes import DueLane, LaneState
from gateway.store.sqlite import Db, Store

T = TypeVar("T")

STOPS = frozenset({Decision.SIGN_IN_REFUSED, Decision.WAIT_QUOTA})
WITHOUT_DOT = frozenset({LaneKind.ROUTE, LaneKind.HOOK, LaneKind.SENT})  # by POST, by APPEND
LOOK_EVERY_SECONDS = 1.0
OUTDATED_REST = timedelta(seconds=1)  # in which the new sign-in is read
STORE_REST_SECONDS = 1.0  # after a write that failed, such as on a full disk
LOOK_PAUSE_SECONDS = 0.01  # accepting fast must not mean looking as often

AttemptBatch = Callable[[Batch], Awaitable[list[Result]]]


class Scheduler:
    """Sends what is due; `attempts` says by what, for each kind of lane."""

    def __init__(
        self,
        store: Store,
        *,
        attempts: Mapping[LaneKind, AttemptBatch],
        limits: Callable[[Lane], LaneLimits],
        record: Record,
        leases: Leases,
        owner: str,
        stale_after: timedelta,
        revision: Callable[[], int],
    ) -> None:
        """`revision` says which revision of the tenants attempts are made with now."""
        self._store = store
        self._stale_after = stale_after
        self._attempts = attempts
        self._limits = limits
        self._record = record
        self._leases = leases
        self._owner = owner
        self._revision = revision
        self._ways: dict[Lane, Way] = {}
        self._woken = asyncio.Event()
        self._is_stopping = False
        self._unrecorded = 0  # batches that were tried while the store failed
        self._rests_until = 0.0  # by the loop's clock
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take back what an earlier life of this process was sending, and begin."""
        now = datetime.now(UTC)
        await self._store.write(interrupted.take_back, owner_prefix=self._owner, now=now)
        self._tasks = [
            spawn_lasting(self._run, name="delivery scheduler"),
            spawn_lasting(self._leases.keep, name="delivery leases"),
            spawn_lasting(self._go_rounds, name="delivery rounds"),
        ]

    def wake(self) -> None:
        """Look now: something was accepted, released or resumed."""
        self._woken.set()

    async def stop(self, *, grace_seconds: float = 30.0) -> None:
        """Begin nothing more, let sessions end; those past the final dot are waited for."""
        self._is_stopping = True
        for way in self._ways.values():
            way.halt()
        await stop_tasks(self._tasks[:1])
        if running := [task for way in self._ways.values() for task in way.in_flight]:
            await asyncio.wait(running, timeout=grace_seconds)
        cut = [batch for way in self._ways.values() for batch in self._cut(way)]
        for way in self._ways.values():
            await way.wait_until_idle()
        await stop_tasks(self._tasks[1:])
        await self._store.write(interrupted.cut_short, cut, now=datetime.now(UTC))
        await self._store.write(queue.release_leases, owner_prefix=self._owner)

    def _cut(self, way: Way) -> Iterator[Batch]:
        """End what is not past a final dot; yield what may have been taken all the same."""
        for task, batch in way.in_flight.items():
            if not self._leases.is_past_dot(batch):
                task.cancel()
                if way.lane.kind in WITHOUT_DOT:
                    yield batch

    async def _go_rounds(self) -> None:
        def spared() -> frozenset[str]:
            return self._leases.tokens

        await go_rounds(
            self._store, stale_after=self._stale_after, spared=spared, wake=self.wake
        )

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            wait = LOOK_EVERY_SECONDS
            try:
                wait = await self._look()
            except StoreError as error:
                self._rest(error)
            await asyncio.sleep(LOOK_PAUSE_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def _look(self) -> float:
        """Start to drain each lane that may go; return the seconds until the next look."""
        if self._unrecorded or self._rests_until > asyncio.get_running_loop().time():
            return STORE_REST_SECONDS
        now = datetime.now(UTC)
        due, states = await self._store.read(_situation, now=now)
        known = {one.lane: one for one in states}
        self._halt_paused(known, now)
        wakes = [one.until for one in states if one.until is not None and one.until > now]
        for one in due:
            way = self._way(one.lane, known.get(one.lane), now)
            if way is None or way.is_draining or way.is_halted:
                continue
            at = max(one.next_at, way.ready_at(now))
            if at > now:
                wakes.append(at)
            elif not self._is_stopping:
                way.is_draining = True
                spawn(self._drain(way), name=f"drain {way.lane}")
        seconds = [(at - now).total_seconds() for at in wakes]
        return min([LOOK_EVERY_SECONDS, *seconds])

    def _halt_paused(self, known: Mapping[Lane, LaneState], now: datetime) -> None:
        """What was claimed before a person paused its lane, and is not begun, goes back."""
        for lane, way in self._ways.items():
            if way.is_draining and lane in known and known[lane].is_closed(now):
                way.halt()

    def _way(self, lane: Lane, state: LaneState | None, now: datetime) -> Way | None:
        """Return the lane's way with what is known of it now; None: nobody carries its kind."""
        if lane.kind not in self._attempts:
            return None
        way = self._ways.get(lane)
        if way is None:
            learned = state.rate_per_minute if state else None
            way = Way(lane, self._limits(lane), learned_per_minute=learned, now=now)
            self._ways[lane] = way
        if not way.is_draining and not (way.is_halted and way.in_flight):
            way.refresh(self._limits(lane), state)
        return way

    async def _drain(self, way: Way) -> None:
        """Claim and carry until nothing is due or the lane may not go on."""
        try:
            while batches := await self._claim(way):
                await self._carry_all(way, batches)
        except StoreError as error:
            self._rest(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours: the lane is tried again
            events.task_failed(task=f"drain {way.lane}", error=error)
            way.rest(now=datetime.now(UTC))
        finally:
            way.is_draining = False
            self._woken.set()

    async def _claim(self, way: Way) -> list[Batch]:
        await way.wait_for_slot()
        now = datetime.now(UTC)
        room = 0 if self._is_stopping or self._unrecorded else way.room(now)
        if room == 0:
            return []
        batches = await self._store.write(
            queue.claim,
            way.lane,
            owner=self._owner_of(way),
            now=now,
            lease=self._leases.length,
            messages=room,
            recipients=way.limits.recipients_per_message,
            spared=self._leases.tokens,
        )
        way.throttle.spend(len(batches), now=now)
        for batch in batches:
            self._leases.hold(batch)
        return batches

    async def _carry_all(self, way: Way, batches: list[Batch]) -> None:
        """Begin each batch in a session of its own; give back what may not begin."""
        for number, batch in enumerate(batches):
            if not await way.wait_for_slot():
                await self._give_back(way, batches[number:])
                return
            task = spawn(self._carry(way, batch), name=f"deliver {batch.message}")
            way.started(task, batch)

    async def _give_back(self, way: Way, batches: list[Batch]) -> None:
        for batch in batches:
            self._leases.drop(batch)
        await way.wait_until_idle()  # the owner is the lane's: only these are left with it
        owner = self._owner_of(way)
        await self._surely(lambda: self._store.write(queue.release_leases, owner_prefix=owner))

    async def _carry(self, way: Way, batch: Batch) -> None:
        rests_on = self._revision()
        results: list[Result] = []
        try:
            results = await self._attempt(way, batch)
            if all(one.verdict.decision is Decision.DELIVERED for one in results):
                way.sent(batch)
            if results:
                await self._keep(way, batch, results, rests_on=rests_on)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours, told and outlived
            await self._set_back(batch, results, error)
        finally:
            self._leases.drop(batch)

    async def _attempt(self, way: Way, batch: Batch) -> list[Result]:
        """Try a batch. Where the store cannot tell what that needs nothing was sent: the batch
        goes back, and the lane rests."""
        try:
            return await self._attempts[way.lane.kind](batch)
        except StoreError as error:  # such as a secret that another key has sealed
            events.task_failed(task=f"deliver {batch.message}", error=error)
            way.rest(now=datetime.now(UTC))
            way.rest_told = str(error)
            reason = str(error)
            await self._surely(lambda: self._store.write(put_off, batch, reason=reason))
            return []

    async def _set_back(
        self, batch: Batch, results: Sequence[Result], error: Exception
    ) -> None:
        """Tell a fault of ours that this mail brings out, and have it rest: no other waits."""
        events.task_failed(task=f"deliver {batch.message}", error=error)
        perhaps = batch.lane.kind in WITHOUT_DOT or self._leases.is_past_dot(batch)
        now = datetime.now(UTC)
        await self._surely(
            lambda: self._store.write(set_back, batch, results, perhaps=perhaps, now=now)
        )

    async def _keep(
        self, way: Way, batch: Batch, results: Sequence[Result], *, rests_on: int
    ) -> None:
        """Record the results, and let the lane learn from them.

        `rests_on` is the revision of the tenants that the attempt was made with.
        """
        now = datetime.now(UTC)
        stop = next((one for one in results if one.verdict.decision in STOPS), None)
        if stop is not None and not way.is_pausing:
            await self._pause(way, stop, rests_on=rests_on, now=now)
        recorded = await self._surely(
            lambda: self._store.write(self._record, batch, results, now=now)
        )
        report(batch, results, recorded)
        if stop is not None:
            return
        way.learn_reach(results, now=now)
        await self._keep_rest(way, results[-1])
        if way.is_to_resume:
            await self._resume(way, now=now)
        if way.learn_rate(results, now=now):
            learned = way.throttle.learned_per_minute
            await self._store.write(lanes.set_rate, way.lane, per_minute=learned)
            events.lane_rate_changed(lane=way.lane, per_minute=learned)

    async def _keep_rest(self, way: Way, last: Result) -> None:
        """Keep why the lane rests, or that it does not: what was not tried waits for that."""
        verdict = last.verdict if way.has_failed else None
        reason = verdict.meaning if verdict else None
        if reason == way.rest_told:
            return
        way.rest_told = reason
        fix = (verdict.fix or way.lane.how_to_see) if verdict else None
        await self._store.write(lanes.set_rest, way.lane, reason=reason, fix=fix)

    async def _surely(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write what a try led to, again and again while the store fails; nothing more is begun
        until it is written.

        What was sent and never recorded would be sent again once its lease has run out.
        """
        try:
            return await write()
        except StoreError as error:
            self._rest(error)
            self._unrecorded += 1
        try:
            return await self._write_once_it_can(write)
        finally:
            self._unrecorded -= 1
            self._woken.set()

    async def _write_once_it_can(self, write: Callable[[], Awaitable[T]]) -> T:
        while True:
            await asyncio.sleep(STORE_REST_SECONDS)
            try:
                return await write()
            except StoreError:
                if self._is_stopping:
                    raise  # the next life finds the lease, and says so in the journal

    def _rest(self, error: StoreError) -> None:
        """Begin nothing for a moment: it may pass. A full disk is told by the store."""
        self._rests_until = asyncio.get_running_loop().time() + STORE_REST_SECONDS
        if not isinstance(error, StoreFull):
            events.task_failed(task="delivery scheduler", error=error)

    async def _pause(self, way: Way, reason: Result, *, rests_on: int, now: datetime) -> None:
        """Pause the lane; a refusal of what was replaced meanwhile is a short rest alone."""
        way.is_pausing = True  # what is in flight will be refused as well: it counts once
        way.halt()
        verdict = reason.verdict
        refused = verdict.decision is Decision.SIGN_IN_REFUSED
        until = way.sign_in_at(verdict.cause, now=now) if refused else now + QUOTA_WAIT
        is_paused = await self._surely(
            lambda: self._store.write(
                _pause_unless_outdated,
                way.lane,
                rests_on=rests_on if refused else None,
                by="sign-in" if refused else "quota",
                reason=_with_its_words(reason) if refused else verdict.meaning,
                fix=verdict.fix,
                until=until,
                now=now,
            )
        )
        if is_paused:
            events.lane_paused(lane=way.lane, verdict=verdict, until=until)
        else:
            way.rest_for(OUTDATED_REST, now=now)

    async def _resume(self, way: Way, *, now: datetime) -> None:
        way.state = None
        if await self._store.write(lanes.end_trial, way.lane, now=now):
            events.lane_resumed(lane=way.lane)

    def _owner_of(self, way: Way) -> str:
        return f"{self._owner} {way.lane};"


def _situation(db: Db, *, now: datetime) -> tuple[list[DueLane], list[LaneState]]:
    return lanes.due_lanes(db, now=now), lanes.lane_states(db)


def _with_its_words(refused: Result) -> str:
    """Return why a sign-in is refused, with the server's words where it said any."""
    reply = refused.attempt.reply
    words = f' The server said: "{reply.as_line()}"' if reply.code else ""
    return f"{refused.verdict.meaning}{words}"


def _pause_unless_outdated(
    db: Db,
    lane: Lane,
    *,
    rests_on: int | None,
    by: str,
    reason: str,
    fix: str | None,
    until: datetime | None,
    now: datetime,
) -> bool:
    """Pause a lane; False when a person did, or the tenants are others than at `rests_on`."""
    if rests_on is not None and tenants.revision(db) != rests_on:
        return False
    return lanes.pause_lane(db, lane, by=by, reason=reason, fix=fix, until=until, now=now)
