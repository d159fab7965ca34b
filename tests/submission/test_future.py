from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.mail.reply import Reply
from gateway.submission.future import find_hold, offer

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_the_offer_names_both_limits() -> None:
    """RFC 4865 §3."""
    assert offer(now=NOON) == "FUTURERELEASE 2592000 2026-12-24T12:00:00Z"


@pytest.mark.parametrize(("given", "until"), [
    ({}, None),
    ({"HOLDFOR": "90"}, NOON + timedelta(seconds=90)),
    ({"HOLDFOR": "2592000"}, NOON + timedelta(days=30)),
    ({"HOLDUNTIL": "2026-11-24T13:00:00Z"}, NOON + timedelta(hours=1)),
    ({"HOLDUNTIL": "2026-11-24T13:00:00z"}, NOON + timedelta(hours=1)),
    ({"HOLDUNTIL": "2026-11-24T13:00:00+01:00"}, None),
    ({"HOLDUNTIL": "2020-01-01T00:00:00Z"}, None),
    ({"HOLDFOR": "0"}, None),
])  # fmt: skip
def test_until_when_a_message_is_held(given: dict[str, str], until: datetime | None) -> None:
    assert find_hold(given, now=NOON) == until


@pytest.mark.parametrize("given", [
    {"HOLDFOR": "2592001"}, {"HOLDFOR": "-1"}, {"HOLDFOR": ""}, {"HOLDFOR": "1234567890"},
    {"HOLDFOR": "٣"}, {"HOLDUNTIL": "2026-12-24T12:00:01Z"}, {"HOLDUNTIL": "now"},
    {"HOLDUNTIL": "2026-11-24T13:00:00"}, {"HOLDUNTIL": "0001-01-01T00:00:00+14:00"},
    {"HOLDFOR": "1", "HOLDUNTIL": "2026-11-24T13:00:00Z"},
])  # fmt: skip
def test_what_cannot_be_is_refused(given: dict[str, str]) -> None:
    refusal = find_hold(given, now=NOON)
    assert isinstance(refusal, Reply)
    assert (refusal.code, refusal.enhanced) == (501, "5.5.4")
