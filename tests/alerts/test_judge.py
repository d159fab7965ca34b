from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.alerts.judge import find_changes
from gateway.mail.trouble import KnownTrouble, Trouble, TroubleChanges

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TROUBLE = Trouble(
    cause="upstream acme own", what="w", why="y", fix="f", command="c", since=NOON
)  # fmt: skip
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def known(*, is_open: bool, is_told: bool, told_at: datetime | None) -> dict[str, KnownTrouble]:
    kept = KnownTrouble(trouble=TROUBLE, is_open=is_open, is_told=is_told, told_at=told_at)
    return {TROUBLE.cause: kept}


def test_a_new_trouble_begins_and_is_told() -> None:
    changes = find_changes({}, [TROUBLE], now=NOON)
    assert changes == TroubleChanges(begun=(TROUBLE,), told=(TROUBLE,))


def test_what_lasts_is_not_told_again_however_long() -> None:
    before = known(is_open=True, is_told=True, told_at=NOON - 9 * DAY)
    assert find_changes(before, [TROUBLE], now=NOON) == TroubleChanges()


def test_what_is_gone_has_ended() -> None:
    before = known(is_open=True, is_told=True, told_at=NOON)
    changes = find_changes(before, [], now=NOON + HOUR)
    assert changes == TroubleChanges(ended=(before[TROUBLE.cause],))
    assert find_changes(known(is_open=False, is_told=True, told_at=NOON), [], now=NOON) == (
        TroubleChanges()
    )


@pytest.mark.parametrize(("later", "told"), [(HOUR, False), (DAY, True)])
def test_what_comes_again_is_told_at_most_once_a_day(later: timedelta, told: bool) -> None:
    before = known(is_open=False, is_told=True, told_at=NOON)
    changes = find_changes(before, [TROUBLE], now=NOON + later)
    assert changes.begun == (TROUBLE,)
    assert bool(changes.told) is told


def test_what_came_again_and_lasts_is_told_when_the_day_is_over() -> None:
    before = known(is_open=True, is_told=False, told_at=NOON)
    assert find_changes(before, [TROUBLE], now=NOON + HOUR) == TroubleChanges()
    changes = find_changes(before, [TROUBLE], now=NOON + DAY)
    assert changes == TroubleChanges(told=(TROUBLE,))
