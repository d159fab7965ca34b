from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.mailbox.baseline import (
    below_baseline,
    find_recent,
    is_backfill,
    is_since,
    oldest_wanted,
)
from gateway.net.imap import Listed
from gateway.store.folders import Cursor, Look

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def connected(*below: Look) -> Cursor:
    return Cursor(
        mailbox="a@b.example", folder="INBOX", uidvalidity=1, highest_uid=9, baseline_uid=5,
        connected_at=NOON, below=below,
    )  # fmt: skip


def listed(uid: int, seconds: float, size_bytes: int | None = 700) -> Listed:
    dated = NOON + timedelta(seconds=seconds)
    return Listed(uid=uid, size_bytes=size_bytes, internal_date=dated)


@pytest.mark.parametrize(("fetch_from", "days"), [("now", 0), ("30d", 30), ("7d", 7)])
def test_from_when_on_mail_is_fetched(fetch_from: str, days: int) -> None:
    assert oldest_wanted(fetch_from, NOON) == NOON - timedelta(days=days)


@pytest.mark.parametrize(
    ("fetch_from", "seconds_before", "expected"),
    [
        pytest.param("now", 60, False, id="the provider's clock is slow"),
        pytest.param("now", 3600, True, id="an old mail was moved in"),
        pytest.param("30d", 60, True, id="came before the connection"),
        pytest.param("30d", 0.9, False, id="INTERNALDATE is in whole seconds"),
        pytest.param("30d", -60, False, id="came after it"),
    ],
)
def test_what_is_older_than_the_connection(
    fetch_from: str, seconds_before: float, expected: bool
) -> None:
    at = connected()
    assert is_backfill(fetch_from, at, NOON - timedelta(seconds=seconds_before)) is expected


@pytest.mark.parametrize(
    ("dated", "expected"),
    [(NOON, True), (NOON - timedelta(seconds=1), False), (None, True)],
)
def test_a_message_without_a_date_is_never_left_out(
    dated: datetime | None, expected: bool
) -> None:
    one = Listed(uid=1, size_bytes=1, internal_date=dated)
    assert is_since(one, NOON) is expected


def test_what_lay_there_is_known_under_other_numbers_and_nothing_else_is_taken_for_it() -> None:
    """A mail of the same second as one that lay there is fetched: none is lost for its date."""
    there = [listed(1, -86_400), listed(2, -599), listed(3, -1), listed(4, 0)]
    known = connected(*below_baseline(there, now=NOON))
    came = [listed(15, 0), listed(16, -1, 701), listed(17, 30), listed(18, -60, None)]
    anew = [replace(one, uid=one.uid + 10) for one in there]
    assert find_recent("now", known, [*anew, *came]) == came


def test_as_many_are_left_out_as_lay_there() -> None:
    known = connected(*below_baseline([listed(1, 0), listed(2, 0)], now=NOON))
    alike = [listed(uid, 0) for uid in (1, 2, 3)]
    assert find_recent("now", known, alike) == alike[2:]
