from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.mailbox.baseline import is_backfill, is_since, oldest_wanted
from gateway.net.imap import Listed
from gateway.store.folders import Cursor

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


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
    at = Cursor(
        mailbox="a@b.example", folder="INBOX", uidvalidity=1, highest_uid=9, baseline_uid=5,
        connected_at=NOON,
    )  # fmt: skip
    assert is_backfill(fetch_from, at, NOON - timedelta(seconds=seconds_before)) is expected


@pytest.mark.parametrize(
    ("dated", "expected"),
    [(NOON, True), (NOON - timedelta(seconds=1), False), (None, True)],
)
def test_a_message_without_a_date_is_never_left_out(
    dated: datetime | None, expected: bool
) -> None:
    listed = Listed(uid=1, size_bytes=1, internal_date=dated)
    assert is_since(listed, NOON) is expected
