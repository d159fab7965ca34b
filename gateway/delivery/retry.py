"""When to try again, and when to give up: pure. `jitter` is a number from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gateway.config import DeliverySettings, RouteSettings
from gateway.mail.delivery import Attempt, Decision, Delivery, LaneKind, Result, Verdict

SPREAD = 0.1  # of a wait, so that what failed together is not tried together
UNKNOWN_WAIT = timedelta(minutes=15)  # after a connection lost past the final dot
QUOTA_WAIT = timedelta(hours=24)  # a limit whose window is not known: providers.md §8
DAY = timedelta(days=1)
DELAY = timedelta(hours=4)  # after so much trying a sender is told that it takes longer
FINAL = frozenset({Decision.DELIVERED, Decision.FAIL, Decision.SET_ASIDE})
AT_ONCE = frozenset({"recipients-too-many"})  # RFC 5321 §4.5.3.1.10
SIGN_IN_WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
ONLY_BY_HAND = frozenset({"account-locked"})  # each further sign-in makes it worse
ONCE_A_DAY = frozenset({"service-off", "service-off-admin", "blocked-by-policy"})


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """The waits between attempts.

    RFC 5321 §4.5.4.1 asks for 30 minutes or more in the long run, and 4 to 5 days
    before giving up. Our first waits are shorter: greylisting clears in minutes.
    """

    waits: tuple[timedelta, ...]
    give_up_after: timedelta

    @classmethod
    def of(cls, settings: DeliverySettings | RouteSettings) -> RetrySchedule:
        """Return the schedule that a section of gateway.conf asks for."""
        return cls(settings.retry_waits, settings.give_up_after)

    def next_attempt(
        self, *, sendable_for: timedelta, attempts: int, now: datetime, jitter: float = 0.0
    ) -> datetime | None:
        """Return when to try next, or None to give up, after `attempts` >= 1 tries.

        `sendable_for` leaves out the time in which the message could not be tried.
        """
        if sendable_for >= self.give_up_after:
            return None
        wait = self.waits[min(attempts, len(self.waits)) - 1]
        return now + wait * (1 + SPREAD * jitter)


def next_sign_in(
    *, cause: str, refusals: int, refused_for: timedelta, dead_after: timedelta, now: datetime
) -> datetime | None:
    """Return when one sign-in may be tried after `refusals` >= 1 in a row; None: a person must.

    `refused_for` is the time since the first of them: after a day the sign-in is tried once a
    day. It is tried three times within `dead_after`, so that its owner is told by then.
    """
    if cause in ONLY_BY_HAND:
        return None
    if cause in ONCE_A_DAY or refused_for >= DAY:
        return now + DAY
    wait = SIGN_IN_WAITS[min(refusals, len(SIGN_IN_WAITS)) - 1]
    return now + (min(wait, dead_after / 2) if refusals <= 2 else wait)


def schedule_result(
    delivery: Delivery,
    attempt: Attempt,
    *,
    verdict: Verdict,
    schedule: RetrySchedule,
    kind: LaneKind,
    jitter: float,
    is_split: bool = False,
) -> Result:
    """Return what is recorded of a try: when the next one is, or that this was the last.

    What was tried for too long fails; on its way to a helpdesk it is set aside instead.
    `is_split` says that the server took up other recipients of the try: the rest may follow
    at once. Where it has room for none of them, it is asked again like anybody.
    """
    now = attempt.at + timedelta(seconds=attempt.seconds)
    result = Result(
        delivery=delivery.number, attempt=attempt, verdict=verdict, next_attempt_at=None
    )
    if verdict.decision in FINAL:
        return result
    if verdict.decision is Decision.SIGN_IN_REFUSED or (is_split and verdict.cause in AT_ONCE):
        return replace(result, next_attempt_at=now)  # at once, when the lane is open again
    if verdict.decision is Decision.WAIT_QUOTA:
        return _put_off(result, delivery, schedule, next_at=now + QUOTA_WAIT)
    next_at = schedule.next_attempt(
        sendable_for=timedelta(seconds=delivery.sendable_seconds),
        attempts=delivery.attempts + 1,
        now=now,
        jitter=jitter,
    )
    if next_at is None:
        return _given_up(result, kind)
    if verdict.decision is Decision.UNKNOWN:  # a message that perhaps arrived
        next_at = max(next_at, now + UNKNOWN_WAIT)
    return _put_off(result, delivery, schedule, next_at=next_at)


def _put_off(
    result: Result, delivery: Delivery, schedule: RetrySchedule, *, next_at: datetime
) -> Result:
    """Return the deferral; a delay is told once, and at once where the next try is far off."""
    at, waited = result.attempt.at, timedelta(seconds=delivery.sendable_seconds)
    is_late = waited >= DELAY or next_at - at >= DELAY
    if delivery.is_delay_told or not is_late:
        return replace(result, next_attempt_at=next_at)
    until = max(next_at, at + schedule.give_up_after - waited)
    return replace(result, next_attempt_at=next_at, delayed_until=until)


def _given_up(result: Result, kind: LaneKind) -> Result:
    if kind is LaneKind.UPSTREAM:
        return replace(result, give_up=True)
    return replace(result, verdict=replace(result.verdict, decision=Decision.SET_ASIDE))
