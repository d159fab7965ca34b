from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.cli import output


def test_json_has_times_in_utc_with_z(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 11, 24, 12, 0, 0, 5000, tzinfo=UTC)
    output.print_json({"at": at, "on": date(2026, 11, 1), "name": "客服"})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {
        "at": "2026-11-24T12:00:00.005Z", "on": "2026-11-01", "name": "客服",
    }  # fmt: skip
    assert "客服" in shown


def test_a_table_that_is_piped_on_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "a" * 120
    output.print_table(["name", "n"], [[f"[red]{long}", 1], [None, True]], empty="none")
    shown = capsys.readouterr().out
    assert f"[red]{long}" in shown
    assert "-" in shown
    output.print_table(["name"], [], empty="there are none")
    assert capsys.readouterr().out == "there are none\n"


def test_a_time_ahead_is_said_as_a_distance() -> None:
    now = datetime.now(UTC)
    assert output.until(now) == "now"
    assert output.until(now + timedelta(minutes=5, seconds=1)) == "in 5 min"
    assert output.until(now + timedelta(days=2, seconds=1)) == "in 2 d"
    assert output.until(None) == "-"


def test_sizes_and_counts_are_said_as_people_say_them() -> None:
    assert [output.size(one) for one in (900, 2048, 5 * 1024**2)] == [
        "900 B",
        "2.0 KB",
        "5.0 MB",
    ]
    assert output.counted(1, "recipient") == "1 recipient"
    assert output.counted(2, "delivery", plural="deliveries") == "2 deliveries"
