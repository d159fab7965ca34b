"""Dates in header fields."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sieve.dates import DATE_PARTS, parse_date, parse_zone


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("Tue, 1 Jul 2025 10:30:00 +0200", "2025-07-01T10:30:00+02:00"),
        ("1 Jul 25 10:30 GMT (noon)", "2025-07-01T10:30:00+00:00"),
        ("from a by b; Tue, 1 Jul 2025 10:30:00 -0330", "2025-07-01T10:30:00-03:30"),
    ],
)
def test_a_date_is_read(value: str, iso: str) -> None:
    found = parse_date(value)
    assert found is not None
    assert DATE_PARTS["iso8601"](found) == iso


@pytest.mark.parametrize(
    "value", ["", "Moo, 34 Juul 3060 25:30:42 +6600", "1 Jul 2025 25:00 +0000", "1 Jul 2025 1"]
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert parse_date(value) is None


@pytest.mark.parametrize("text", ["0100", "+1", "+9900", "+01:0", ""])
def test_what_is_no_zone_is_none(text: str) -> None:
    assert parse_zone(text) is None


@given(st.text("0123456789:;,+- JanMo()", max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_text_can_be_asked(value: str) -> None:
    found = parse_date(value)
    if found is not None:
        assert all(part(found) for part in DATE_PARTS.values())
