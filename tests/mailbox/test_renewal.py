from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.mailbox.health import AMBIGUOUS
from gateway.mailbox.renewal import (
    DEAD,
    Case,
    Notice,
    calendar_notice,
    expires_on,
    find_notices,
    find_waves,
)

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
JUNE, NOVEMBER = date(2026, 6, 1), date(2026, 11, 1)


@pytest.mark.parametrize(
    ("life_days", "issued", "entered_on", "renewed_on", "expected"),
    [
        (0, NOVEMBER, NOVEMBER, None, None),
        (180, None, None, None, None),
        (180, NOVEMBER, date(2026, 11, 24), None, date(2027, 4, 30)),
        (180, None, NOVEMBER, None, date(2027, 4, 30)),
        (180, JUNE, JUNE, NOVEMBER, date(2027, 4, 30)),  # the file still says June
    ],
)
def test_a_code_ends_when_its_term_is_over(
    life_days: int,
    issued: date | None,
    entered_on: date | None,
    renewed_on: date | None,
    expected: date | None,
) -> None:
    ends = expires_on(life_days, issued=issued, entered_on=entered_on, renewed_on=renewed_on)
    assert ends == expected


def refused(number: int, *, minutes_ago: int = 12, tenants: int = 5) -> Case:
    """A mailbox whose sign-in is refused, and was found dead eleven minutes later."""
    since = NOON - minutes_ago * MINUTE
    return Case(
        tenant=f"tenant{number % tenants}",
        address=f"box{number}@163.com",
        provider="netease-163",
        refused_since=since,
        dead_since=since + 11 * MINUTE if minutes_ago >= 11 else None,
        cause=AMBIGUOUS,
    )


@pytest.mark.parametrize(
    ("days_left", "notice"),
    [
        (31, None),
        (30, "30 days before 2026-12-24"),
        (11, "30 days before"),
        (10, "10 days before"),
        (2, "2 days before"),
        (0, "2 days before"),
        (-1, "expired"),
        (-90, "expired"),
    ],
)
def test_a_code_with_a_known_life_is_announced_ahead(
    days_left: int, notice: str | None
) -> None:
    ends_on = NOON.date() + timedelta(days=days_left)
    said = calendar_notice(ends_on, today=NOON.date())
    assert (said or "").startswith(notice or "")
    assert (said is None) is (notice is None)


def test_a_notice_is_told_once_and_a_new_term_has_notices_of_its_own() -> None:
    case = Case(
        tenant="a", address="a@163.com", provider="netease-163", ends_on=date(2026, 12, 1)
    )
    (notice,) = find_notices([case], now=NOON)
    told = replace(case, told=frozenset({notice.kind}))
    assert list(find_notices([told], now=NOON)) == []
    renewed = replace(told, ends_on=date(2026, 12, 2))
    assert len(list(find_notices([renewed], now=NOON))) == 1


def test_a_dead_mailbox_is_told_once_and_a_paused_one_by_the_calendar_only() -> None:
    case = replace(refused(1), ends_on=date(2026, 11, 30))
    assert list(find_notices([case], now=NOON)) == [Notice(address=case.address, kind=DEAD)]
    told = replace(case, told=frozenset({DEAD}))
    assert list(find_notices([told], now=NOON)) == []
    (notice,) = find_notices([replace(case, paused=True)], now=NOON)
    assert notice.kind == "10 days before 2026-11-30"


def test_two_codes_that_expire_together_are_two_reminders() -> None:
    yesterday = NOON.date() - timedelta(days=1)
    cases = [replace(refused(one), ends_on=yesterday) for one in (1, 2)]
    assert [one.kind for one in find_notices(cases, now=NOON)] == [DEAD, DEAD]


@pytest.mark.parametrize(
    ("mailboxes", "tenants", "is_wave"),
    [(4, 4, False), (5, 2, False), (5, 3, True), (9, 5, True)],
)
def test_a_wave_is_many_mailboxes_of_several_tenants(
    mailboxes: int, tenants: int, is_wave: bool
) -> None:
    cases = [refused(number, tenants=tenants) for number in range(mailboxes)]
    assert bool(find_waves(cases)) is is_wave


def test_a_wave_is_within_half_an_hour_and_not_near_the_end_of_a_term() -> None:
    cases = [refused(number, minutes_ago=12 + 10 * number) for number in range(5)]
    assert find_waves(cases) == []
    close = [refused(number) for number in range(5)]
    ending = [replace(one, ends_on=NOON.date() + timedelta(days=6)) for one in close]
    assert find_waves(ending) == []
    elsewhere = [*close[:4], replace(close[4], provider="qq")]
    assert find_waves(elsewhere) == []


def test_a_wave_of_thousands_is_found_at_once() -> None:
    """It is looked for between two awaits: what takes minutes would stop the whole gateway."""
    cases = [refused(number, minutes_ago=12 + number % 40) for number in range(3000)]
    [wave] = find_waves(cases)
    assert len(wave.addresses) == len(cases)


def test_a_wave_delays_ambiguous_reminders_by_two_hours_and_suppresses_none() -> None:
    cases = [refused(number) for number in range(5)]
    cases[0] = replace(cases[0], cause="wrong-secret")
    assert [one.address for one in find_notices(cases, now=NOON)] == ["box0@163.com"]
    later = NOON + timedelta(hours=2)
    assert len(list(find_notices(cases, now=later))) == 5
    healed = [replace(one, refused_since=None, dead_since=None) for one in cases]
    assert list(find_notices(healed, now=later)) == []
