"""What verbs print: tables and a next step for people, or exactly one JSON document.

What people read may be a stranger's words, of a mail or a server: no control character of
theirs reaches a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.mail.charset import without_controls

GAP = 2  # between columns
# So long a word is not cut, and a longer one to no less, as far as there is room.
WHOLE_WORDS = ((20, 14), (16, 12), (12, 10), (10, 8))
SENTENCE, LEGIBLE = 40, 20  # what is longer than the one is not squeezed below the other
WIDTH_OF_FILES = 200  # a table that is piped on is not folded to a terminal
ESCAPED = {code: f"\\u{code:04x}" for code in range(127, 160)}  # json escapes the others
STYLES = {
    "ok": "green", "delivered": "green", "open": "green", "added": "green", "ready": "green",
    "suspect": "yellow", "deferred": "yellow", "held": "yellow", "changed": "yellow",
    "secret": "yellow", "paused": "yellow", "scheduled": "cyan", "queued": "cyan",
    "claimed": "cyan", "dead": "red", "failed": "red", "removed": "red", "cancelled": "dim",
}  # fmt: skip

Cell = str | int | float | datetime | date | bool | None


def print_json(value: object) -> None:
    """Print one JSON document; times as ISO 8601 in UTC with Z."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    typer.echo(text.translate(ESCAPED))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, empty: str) -> None:
    """Print rows under their columns, or the sentence `empty` when there are none."""
    listed = [[_cell(cell) for cell in row] for row in rows]
    if not listed:
        print_line(empty)
        return
    console = _console()
    found = zip(columns, *listed, strict=True)
    widths = _find_widths([[str(cell) for cell in column] for column in found], console.width)
    if widths is None:
        _print_records(console, columns, listed)
        return
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for name, width in zip(columns, widths, strict=True):
        table.add_column(name, overflow="fold", width=width)
    for row in listed:
        table.add_row(*row)
    console.print(table)


def print_pairs(pairs: Iterable[tuple[str, Cell]]) -> None:
    """Print a name and its value a line; what is empty is left out."""
    _console().print(
        _beside((name, _cell(value)) for name, value in pairs if value not in (None, ""))
    )


def print_line(sentence: str, *, style: str = "") -> None:
    """Print one line for people."""
    _console().print(Text(without_controls(sentence), style=style), soft_wrap=True)


def print_step(name: str, sentence: str, *, style: str = "") -> None:
    """Print one step of a way: its name, then what came of it."""
    print_line(f"{name:<10} {sentence}", style=style)


def print_text(text: str) -> None:
    """Print text as it stands, neither styled nor folded."""
    typer.echo(without_controls(text))


def print_next(*steps: str) -> None:
    """Print what a person would do next, a command a line."""
    for number, step in enumerate(steps):
        print_line(f"{'next:' if not number else '     '} {step}", style="dim")


@contextmanager
def waiting(sentence: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what a verb waits for, on standard error.

    What is yielded changes the sentence.
    """
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(Text(sentence)) as shown:
        yield lambda changed: shown.update(Text(changed))


def warn(sentence: str) -> None:
    """Say on standard error what someone should look at."""
    typer.echo(without_controls(f"warning: {sentence}"), err=True)


def stamp(at: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC with Z, to the millisecond."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def when(at: datetime | None) -> str:
    """Return a time for people, to the second; a dash when there is none."""
    return at.strftime("%Y-%m-%d %H:%M:%SZ") if at else "-"


def until(at: datetime | None) -> str:
    """Return how far ahead a time is, for people; a dash when there is none."""
    if at is None:
        return "-"
    seconds = (at - datetime.now(UTC)).total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= length:
            return f"in {seconds / length:.0f} {unit}"
    return "now"


def size(size_bytes: int) -> str:
    """Return a size for people."""
    for unit, factor in (("GB", 1024**3), ("MB", 1024**2), ("KB", 1024)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"


def counted(count: int, thing: str, *, plural: str | None = None) -> str:
    """Return `1 recipient`, `2 recipients`."""
    return f"{count} {thing if count == 1 else plural or thing + 's'}"


def _find_widths(columns: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Return a width for each column, or None where words would be cut to pieces, or a
    sentence be a word a line.

    What comes first is what people copy: it stays on one line.
    """
    widths = [max(map(cell_len, column)) for column in columns]
    words = [_longest_word(column) for column in columns]
    floors = [LEGIBLE if width > SENTENCE else 0 for width in widths]
    room -= GAP * (len(columns) - 1)
    for whole, piece in WHOLE_WORDS:
        least = [word if word <= whole else piece for word in words]
        least = [max(pair) for pair in zip(least, floors, strict=True)]
        least[0] = widths[0]
        if sum(least) <= room:
            return _shrink(widths, least, room)
    return None


def _longest_word(cells: Sequence[str]) -> int:
    return max((cell_len(word) for cell in cells for word in cell.split()), default=0)


def _shrink(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Take from the widest what is too much, and from no column more than it can spare."""
    left = list(widths)
    while sum(left) > room:
        spare = [n for n, width in enumerate(left) if width > least[n]]
        left[max(spare, key=lambda n: left[n])] -= 1
    return left


def _print_records(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]
) -> None:
    for number, row in enumerate(rows):
        if number:
            console.print()
        console.print(_beside(zip(columns, row, strict=True)))


def _beside(pairs: Iterable[tuple[str, Text]]) -> Table:
    """Return names with their values beside them, a pair a line."""
    table = Table.grid(padding=(0, GAP))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for pair in pairs:
        table.add_row(*pair)
    return table


def _console() -> Console:
    wide = None if sys.stdout.isatty() else WIDTH_OF_FILES
    return Console(width=wide, highlight=False, markup=False, emoji=False)


def _cell(value: Cell) -> Text:
    if value is None or value == "":
        return Text("-", style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, datetime):
        return Text(when(value))
    text = without_controls(str(value))
    return Text(text, style=STYLES.get(text, ""))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return stamp(value)
    return value.isoformat() if isinstance(value, date) else str(value)
