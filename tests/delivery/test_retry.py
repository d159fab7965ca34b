from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.config import DeliverySettings, RouteSettings
from gateway.delivery.retry import RetrySchedule, next_sign_in, schedule_result
from gateway.mail.address import parse_address
from gateway.mail.delivery import (
    Attempt,
    Decision,
    Delivery,
    LaneKind,
    Phase,
    Result,
    Verdict,
)
from gateway.mail.envelope import Recipient
from gateway.mail.reply import Reply

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SCHEDULE = RetrySchedule.of(DeliverySettings())


def _result(
    decision: Decision,
    *,
    cause: str = "deferred",
    attempts: int = 0,
    waited: timedelta = HOUR,
    kind: LaneKind = LaneKind.UPSTREAM,
    is_delay_told: bool = False,
    is_split: bool = False,
) -> Result:
    return schedule_result(
        Delivery(
            number=7,
            recipient=Recipient(parse_address("ann@example.net")),
            attempts=attempts,
            sendable_seconds=waited.total_seconds(),
            is_delay_told=is_delay_told,
        ),
        Attempt(at=NOON, host="mx", phase=Phase.RCPT, reply=Reply(450, None, "later")),
        verdict=Verdict(decision=decision, cause=cause, meaning="m"),
        schedule=SCHEDULE,
        kind=kind,
        jitter=0.0,
        is_split=is_split,
    )


@pytest.mark.parametrize(
    ("attempts", "wait"),
    [(1, MINUTE), (2, 5 * MINUTE), (3, 15 * MINUTE), (6, 2 * HOUR), (60, 2 * HOUR)],
)
def test_the_waits_grow_and_the_last_one_repeats(attempts: int, wait: timedelta) -> None:
    next_at = SCHEDULE.next_attempt(sendable_for=HOUR, attempts=attempts, now=NOON)
    assert next_at == NOON + wait


def test_a_delivery_five_days_old_is_given_up() -> None:
    """RFC 5321 §4.5.4.1: the give-up time is at least 4-5 days."""
    assert SCHEDULE.next_attempt(sendable_for=5 * DAY, attempts=9, now=NOON) is None
    assert SCHEDULE.next_attempt(sendable_for=5 * DAY - MINUTE, attempts=9, now=NOON)


def test_what_failed_together_is_not_tried_together() -> None:
    next_at = SCHEDULE.next_attempt(sendable_for=HOUR, attempts=5, now=NOON, jitter=0.5)
    assert next_at == NOON + timedelta(minutes=63)


def test_routes_have_waits_of_their_own() -> None:
    schedule = RetrySchedule.of(RouteSettings())
    next_at = schedule.next_attempt(sendable_for=HOUR, attempts=1, now=NOON)
    assert next_at == NOON + timedelta(seconds=5)


@pytest.mark.parametrize("decision", [Decision.DELIVERED, Decision.FAIL, Decision.SET_ASIDE])
def test_what_is_final_has_no_next_attempt(decision: Decision) -> None:
    assert _result(decision).next_attempt_at is None


@pytest.mark.parametrize(
    ("decision", "cause", "wait"),
    [
        (Decision.DEFER, "deferred", MINUTE),
        (Decision.SLOW_DOWN, "rate-limited", MINUTE),
        (Decision.SIGN_IN_REFUSED, "wrong-secret", timedelta(0)),
        (Decision.WAIT_QUOTA, "quota-exhausted", DAY),
        (Decision.UNKNOWN, "lost-after-dot", 15 * MINUTE),
    ],
)
def test_each_decision_has_its_wait(decision: Decision, cause: str, wait: timedelta) -> None:
    assert _result(decision, cause=cause).next_attempt_at == NOON + wait


def test_a_part_of_a_mail_follows_at_once() -> None:
    """RFC 5321 §4.5.3.1.10."""
    result = _result(Decision.DEFER, cause="recipients-too-many", is_split=True)
    assert result.next_attempt_at == NOON


def test_what_perhaps_arrived_keeps_a_longer_wait_of_the_schedule() -> None:
    assert _result(Decision.UNKNOWN, attempts=5).next_attempt_at == NOON + 2 * HOUR


@pytest.mark.parametrize(
    ("decision", "waited", "told"),
    [
        (Decision.DEFER, 4 * HOUR - MINUTE, False),
        (Decision.DEFER, 4 * HOUR, True),
        (Decision.UNKNOWN, 5 * HOUR, True),
        (Decision.WAIT_QUOTA, MINUTE, True),  # the next try is a day away
        (Decision.SIGN_IN_REFUSED, 9 * HOUR, False),
        (Decision.FAIL, 9 * HOUR, False),
        (Decision.DEFER, 6 * DAY, False),  # given up: that is told instead
    ],
)
def test_a_delay_is_told_after_four_hours_of_trying(
    decision: Decision, waited: timedelta, told: bool
) -> None:
    assert (_result(decision, waited=waited).delayed_until is not None) is told
    assert _result(decision, waited=waited, is_delay_told=True).delayed_until is None


def test_a_delay_tells_until_when_it_is_tried() -> None:
    """The time that is left of giving up after five days (RFC 3464 §2.3.9)."""
    assert _result(Decision.DEFER, waited=5 * HOUR).delayed_until == NOON + 5 * DAY - 5 * HOUR
    last = _result(Decision.DEFER, waited=5 * DAY - MINUTE, attempts=9)
    assert last.delayed_until == last.next_attempt_at


def test_given_up_means_failed_for_an_upstream_and_set_aside_for_a_helpdesk() -> None:
    failed = _result(Decision.DEFER, waited=6 * DAY)
    assert (failed.give_up, failed.next_attempt_at) == (True, None)
    aside = _result(Decision.DEFER, waited=6 * DAY, kind=LaneKind.ROUTE)
    assert (aside.give_up, aside.verdict.decision) == (False, Decision.SET_ASIDE)


def test_a_refused_sign_in_gives_up_nothing() -> None:
    assert _result(Decision.SIGN_IN_REFUSED, waited=9 * DAY).give_up is False


@pytest.mark.parametrize(
    ("cause", "refusals", "since", "wait"),
    [
        ("wrong-secret", 1, timedelta(0), MINUTE),
        ("wrong-secret", 2, MINUTE, 5 * MINUTE),
        ("login-ambiguous", 3, HOUR, 15 * MINUTE),
        ("login-ambiguous", 9, 9 * HOUR, HOUR),
        ("login-ambiguous", 30, DAY, DAY),  # dead: once a day
        ("service-off", 1, timedelta(0), DAY),
    ],
)
def test_a_refused_sign_in_is_tried_ever_less_often(
    cause: str, refusals: int, since: timedelta, wait: timedelta
) -> None:
    assert _next_sign_in(cause, refusals, since) == NOON + wait


def test_a_sign_in_is_tried_three_times_before_it_counts_as_dead() -> None:
    soon = timedelta(seconds=4)
    waits = [_next_sign_in("wrong-secret", one, soon, dead_after=soon) for one in (1, 2, 3)]
    assert waits == [NOON + soon / 2, NOON + soon / 2, NOON + 15 * MINUTE]


def test_a_locked_account_is_never_tried_by_itself() -> None:
    assert _next_sign_in("account-locked", 1, timedelta(0)) is None


def _next_sign_in(
    cause: str, refusals: int, since: timedelta, *, dead_after: timedelta = 10 * MINUTE
) -> datetime | None:
    return next_sign_in(
        cause=cause, refusals=refusals, refused_for=since, dead_after=dead_after, now=NOON
    )
