from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.delivery.rate import LaneLimits, Throttle

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SIXTY = LaneLimits(rate_per_minute=60)
FREE = LaneLimits()


def _after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_without_a_limit_everything_may_go() -> None:
    throttle = Throttle(learned_per_minute=None, now=NOON)
    throttle.spend(10_000, now=NOON)
    assert throttle.room(FREE, now=NOON) == float("inf")
    assert throttle.ready_at(FREE, now=NOON) == NOON


def test_the_preset_rate_is_kept_and_a_burst_is_ten_seconds_worth() -> None:
    throttle = Throttle(learned_per_minute=None, now=NOON)
    assert throttle.room(SIXTY, now=_after(3600)) == 10
    throttle.spend(10, now=_after(3600))
    assert throttle.room(SIXTY, now=_after(3600)) == 0
    ready = throttle.ready_at(SIXTY, now=_after(3600))
    assert timedelta(seconds=1) <= ready - _after(3600) < timedelta(seconds=1.1)
    assert throttle.room(SIXTY, now=ready) >= 1


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    """A machine without one of its own may begin years ahead."""
    throttle, back = Throttle(learned_per_minute=None, now=_after(86_400)), NOON
    throttle.spend(1, now=_after(86_400))
    assert throttle.ready_at(SIXTY, now=back) <= _after(1.1)
    assert throttle.slow_down(SIXTY, asked_at=back, now=back)
    assert throttle.grow(SIXTY, now=_after(60))


def test_the_rate_halves_when_asked_and_once_for_what_was_in_flight() -> None:
    throttle = Throttle(learned_per_minute=None, now=NOON)
    assert throttle.slow_down(SIXTY, asked_at=_after(1), now=_after(2))
    assert throttle.learned_per_minute == 30
    assert not throttle.slow_down(SIXTY, asked_at=_after(1.5), now=_after(3))
    assert throttle.slow_down(SIXTY, asked_at=_after(4), now=_after(5))
    assert throttle.rate(SIXTY) == 15


def test_without_a_limit_half_of_what_went_is_the_new_rate() -> None:
    throttle = Throttle(learned_per_minute=None, now=NOON)
    throttle.spend(200, now=_after(10))
    throttle.slow_down(FREE, asked_at=_after(20), now=_after(30))
    assert throttle.learned_per_minute == 200  # 200 in half a minute, halved
    assert throttle.room(FREE, now=_after(30)) == 0


def test_one_a_minute_is_the_floor() -> None:
    throttle = Throttle(learned_per_minute=1.5, now=NOON)
    throttle.slow_down(SIXTY, asked_at=_after(1), now=_after(1))
    assert throttle.learned_per_minute == 1
    assert throttle.ready_at(SIXTY, now=_after(1)) > _after(60)


def test_a_clean_minute_raises_it_by_a_tenth_up_to_the_preset() -> None:
    throttle = Throttle(learned_per_minute=50.0, now=NOON)
    assert not throttle.grow(SIXTY, now=_after(59))
    assert throttle.grow(SIXTY, now=_after(60))
    assert round(throttle.rate(SIXTY) or 0, 6) == 55
    assert throttle.grow(SIXTY, now=_after(120))
    assert throttle.rate(SIXTY) == 60
    assert not throttle.grow(SIXTY, now=_after(180))


def test_a_learned_rate_that_no_preset_asks_for_ends_one_day() -> None:
    throttle = Throttle(learned_per_minute=1.0, now=NOON)
    minutes = 0
    while throttle.learned_per_minute is not None:
        minutes += 1
        assert throttle.grow(FREE, now=_after(60 * minutes))
    assert minutes < 24 * 60
