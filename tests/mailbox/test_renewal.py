from __future__ import annotations

from datetime import date

import pytest

from gateway.mailbox.renewal import expires_on

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
