from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from io import StringIO

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


class Terminal(StringIO):
    """What is written to it is seen by a person."""

    def isatty(self) -> bool:
        return True


COLUMNS = ["id", "at", "kind", "from", "state"]
ROW = ["01M8HM1DERJRXJAE61", "2026-11-28 17:42:53Z", "submission", "a@acme.example", "held"]


def test_a_narrow_table_cuts_no_short_word(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _on_a_terminal(monkeypatch, 62)
    assert max(map(len, shown)) <= 62
    for word in (ROW[0], "2026-11-28", "submission", "held"):
        assert any(word in line for line in shown)


def test_where_words_would_be_cut_a_row_is_shown_as_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = _on_a_terminal(monkeypatch, 40)
    assert shown == [f"{name:<5}  {value}" for name, value in zip(COLUMNS, ROW, strict=True)]


def test_a_sentence_is_never_a_word_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "its turn has not come: what was due before it leaves first"
    for columns, lines in ((62, 6), (80, 5)):  # of records, of a table
        assert len(_on_a_terminal(monkeypatch, columns, [*ROW[:-1], sentence])) == lines


def _on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int, row: Sequence[str] = ROW
) -> list[str]:
    """Return the lines of a table on a terminal of so many columns."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", terminal := Terminal())
    output.print_table(COLUMNS, [row], empty="none")
    said = terminal.getvalue()
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in said.splitlines()]


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


def test_a_strangers_words_do_not_speak_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = "Hello \x1b]0;owned\x07\x9b2J 客服"
    output.print_line(words)
    output.print_text(words)
    output.print_pairs([("subject", words)])
    output.print_table(["subject"], [[words]], empty="none")
    output.warn(words)
    shown = "".join(capsys.readouterr())
    assert shown.count("Hello ?]0;owned??2J 客服") == 5
    output.print_json({"subject": words})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"subject": words}
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)
