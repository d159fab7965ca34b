from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.mailbox.baseline import (
    Beginning,
    find_beginning,
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


def begin(
    there: list[Listed],
    *,
    fetch_from: str = "now",
    next_uid: int | None = None,
    since: datetime | None = None,
) -> Beginning:
    now = NOON + timedelta(hours=1) if since else NOON
    return find_beginning(fetch_from, there, next_uid=next_uid, since=since, now=now)


UNDATED = Listed(uid=3, size_bytes=700, internal_date=None)
BEFORE, SHORTLY_BEFORE, AT_NOON = listed(1, -86_400), listed(2, -1), listed(3, 0)


@pytest.mark.parametrize(
    ("there", "options", "baseline", "wanted"),
    [
        pytest.param([], {}, 0, [], id="nothing"),
        pytest.param([], {"next_uid": 8}, 7, [], id="nothing any more"),
        pytest.param([BEFORE, AT_NOON], {}, 3, [], id="no UIDNEXT"),
        pytest.param([AT_NOON, listed(4, 1)], {"next_uid": 4}, 3, [4], id="came meanwhile"),
        pytest.param(
            [BEFORE, SHORTLY_BEFORE, AT_NOON, listed(4, 60)],
            {"next_uid": 5, "since": NOON}, 2, [3, 4], id="came before the first sign-in",
        ),
        pytest.param(
            [AT_NOON, listed(5, -86_400), listed(6, 9)],
            {"next_uid": 7, "since": NOON}, 2, [3, 6], id="an old one was moved in",
        ),
        pytest.param([UNDATED], {"next_uid": 4, "since": NOON}, 3, [], id="no date, below"),
        pytest.param([UNDATED], {"next_uid": 3, "since": NOON}, 2, [3], id="no date, above"),
        pytest.param(
            [listed(1, -90_000), SHORTLY_BEFORE, AT_NOON],
            {"fetch_from": "1d", "since": NOON}, 1, [2, 3], id="a day before the connection",
        ),
    ],
)  # fmt: skip
def test_where_fetching_begins(
    there: list[Listed], options: dict[str, Any], baseline: int, wanted: list[int]
) -> None:
    found = begin(there, **options)
    assert (found.baseline_uid, found.wanted) == (baseline, wanted)


def test_what_lay_there_is_known_under_other_numbers_and_nothing_else_is_taken_for_it() -> None:
    """A mail of the same second as one that lay there is fetched: none is lost for its date."""
    there = [listed(1, -86_400), listed(2, -599), listed(3, -1), listed(4, 0)]
    known = connected(*begin(there).below)
    came = [listed(15, 0), listed(16, -1, 701), listed(17, 30), listed(18, -60, None)]
    anew = [replace(one, uid=one.uid + 10) for one in there]
    assert find_recent("now", known, [*anew, *came]) == came


def test_as_many_are_left_out_as_lay_there() -> None:
    known = connected(*begin([listed(1, 0), listed(2, 0)]).below)
    alike = [listed(uid, 0) for uid in (1, 2, 3)]
    assert find_recent("now", known, alike) == alike[2:]
