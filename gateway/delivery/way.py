"""One lane as the scheduler sees it: what is in flight, how fast it goes, whether it rests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.delivery.rate import LaneLimits, Throttle
from gateway.delivery.retry import next_sign_in
from gateway.delivery.verdict import BEFORE_MAIL
from gateway.mail.delivery import Batch, Decision, Lane, Result
from gateway.store.lanes import LaneState

CLAIM_MESSAGES = 50  # in one transaction
MOST_UNRECORDED = 50  # the records of one group commit
MOST_BYTES = 64 * 1024 * 1024  # of content in flight, each of which is copied to be signed
RESTS = (
    timedelta(seconds=10),
    timedelta(seconds=30),
    timedelta(minutes=1),
    timedelta(minutes=5),
)
THROTTLED_REST = timedelta(minutes=15)  # after too many sign-ins: providers.md §8


class Way:
    """The scheduler's memory of a lane. What must outlive the process is in the store."""

    def __init__(
        self, lane: Lane, limits: LaneLimits, *, learned_per_minute: float | None, now: datetime
    ) -> None:
        self.lane = lane
        self.limits = limits
        self.throttle = Throttle(learned_per_minute=learned_per_minute, now=now)
        self.in_flight: dict[asyncio.Task[None], Batch] = {}
        self._sent: set[str] = set()  # tokens of those that are only to be recorded
        self.is_draining = False
        self.is_halted = False  # begins nothing more: what is claimed goes back
        self.is_pausing = False
        self.rests_until = now
        self._rests_since = now
        self.state: LaneState | None = None  # as the store knows it
        self.rest_told: str | None = None  # why it rests, as the store knows it
        self._failures = 0
        self._freed = asyncio.Event()
        self._fewer: int | None = None  # connections, where the server wants fewer

    @property
    def is_on_trial(self) -> bool:
        """Whether one message goes first, to see whether the rest may follow."""
        return self.has_failed or self._was_paused

    @property
    def has_failed(self) -> bool:
        """Whether its server was not reached at the last try."""
        return self._failures > 0

    @property
    def is_to_resume(self) -> bool:
        """Whether the message on trial got through, so that the pause is over."""
        return not self.has_failed and self._was_paused

    @property
    def _was_paused(self) -> bool:
        return self.state is not None and self.state.paused_by is not None

    @property
    def connections(self) -> int:
        """How many sessions may be open now."""
        return 1 if self.is_on_trial else self._fewer or self.limits.connections

    def ready_at(self, now: datetime) -> datetime:
        """Return when the next claim may be made."""
        self._mind_clock(now)
        return max(self.rests_until, self.throttle.ready_at(self.limits, now=now))

    def room(self, now: datetime) -> int:
        """Return how many messages may be claimed now."""
        if self.is_halted or self.rests_until > now:
            return 0
        free = self.connections - (len(self.in_flight) - len(self._sent))
        if self.is_on_trial:
            return max(0, free)
        allowed = self.throttle.room(self.limits, now=now)
        return int(min(CLAIM_MESSAGES, self.connections + max(0, free), allowed))

    async def wait_for_slot(self) -> bool:
        """Wait until a session may begin; False when the lane was halted meanwhile."""
        while not self.is_halted and not self._has_slot:
            self._freed.clear()
            await self._freed.wait()
        return not self.is_halted

    async def wait_until_idle(self) -> None:
        """Wait until nothing is in flight."""
        while self.in_flight:
            self._freed.clear()
            await self._freed.wait()

    @property
    def _has_slot(self) -> bool:
        sending = len(self.in_flight) - len(self._sent)
        size_bytes = sum(len(one.content) for one in self.in_flight.values())
        is_free = sending < self.connections and len(self._sent) < MOST_UNRECORDED
        return is_free and size_bytes < MOST_BYTES

    def sent(self, batch: Batch) -> None:
        """Let another session begin: what is left to do is to record that all was taken."""
        if not self.is_on_trial:
            self._sent.add(batch.token)
            self._freed.set()

    def started(self, task: asyncio.Task[None], batch: Batch) -> None:
        """Count a session until its task ends."""
        self.in_flight[task] = batch
        task.add_done_callback(self._ended)

    def refresh(self, limits: LaneLimits, state: LaneState | None) -> None:
        """Take what is known of the lane now, and go on if it had been halted.

        A person who asked for a try ends the rest that had begun by then.
        """
        self.limits = limits
        self.state = state
        self.rest_told = state.rest_reason if state is not None else None
        self.is_halted = self.is_pausing = False
        if state is not None and state.asked_at and state.asked_at > self._rests_since:
            self.rests_until = min(self.rests_until, state.asked_at)

    def halt(self) -> None:
        """Begin nothing more until it is refreshed."""
        self.is_halted = True
        self._freed.set()

    def learn_reach(self, results: Sequence[Result], *, now: datetime) -> None:
        """Rest after a failure to come as far as MAIL; what comes so far ends that."""
        last = results[-1]
        if last.attempt.phase not in BEFORE_MAIL:
            self._failures = 0
            return
        self.rest(now=now)
        if last.verdict.cause == "login-throttled":
            self.rest_for(THROTTLED_REST, now=now)

    def rest(self, *, now: datetime) -> None:
        """Begin nothing for a while, which is longer after each failure in a row."""
        self.rest_for(RESTS[min(self._failures, len(RESTS) - 1)], now=now)
        self._failures += 1
        self.halt()

    def rest_for(self, length: timedelta, *, now: datetime) -> None:
        """Let no claim be made for so long, though no failure is the reason."""
        self._rests_since, self.rests_until = now, now + length

    def learn_rate(self, results: Sequence[Result], *, now: datetime) -> bool:
        """Take a request to slow down, or grow; True when the rate is another one now."""
        slower = [one for one in results if one.verdict.decision is Decision.SLOW_DOWN]
        if not slower:
            return self.throttle.grow(self.limits, now=now)
        if slower[0].verdict.cause == "too-many-connections":
            self._fewer = max(1, self.connections // 2)
        asked_at = slower[0].attempt.at
        return self.throttle.slow_down(self.limits, asked_at=asked_at, now=now)

    def sign_in_at(self, cause: str, *, now: datetime) -> datetime | None:
        """Return when one sign-in may be tried after a refused one; None: a person must."""
        since = self.state.since if self.state is not None and self._was_paused else None
        refusals = self.state.refusals if self.state is not None else 0
        return next_sign_in(
            cause=cause,
            refusals=refusals + 1,
            refused_for=now - (since or now),
            dead_after=self.limits.dead_after,
            now=now,
        )

    def _mind_clock(self, now: datetime) -> None:
        """A clock that was set back makes no rest longer than it was to be."""
        if self._rests_since > now:
            self.rest_for(self.rests_until - self._rests_since, now=now)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if batch := self.in_flight.pop(task, None):
            self._sent.discard(batch.token)
        self._freed.set()
