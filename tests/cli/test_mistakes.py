"""tests/golden/mistakes.txt: typical mistakes, and the sentences that are printed for them.

A case is `== what is wrong`, files after `> NAME`, then `$ words` of a command line with what
it prints on standard error; a verb that prints nothing there went well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.cli.commands import run

GOLDEN = Path(__file__).parents[1] / "golden/mistakes.txt"


@dataclass
class Case:
    """One mistake; `commands` with the lines that each prints."""

    title: str
    files: dict[str, list[str]] = field(default_factory=dict)
    commands: list[tuple[str, list[str]]] = field(default_factory=list)


def cases() -> Iterator[Case]:
    for block in GOLDEN.read_text("utf-8").split("== ")[1:]:
        title, *lines = block.strip().splitlines()
        case, into = Case(title), list[str]()
        for line in lines:
            if line.startswith(("> ", "$ ")):
                into = []
            if line.startswith("> "):
                case.files[line[2:]] = into
            elif line.startswith("$ "):
                case.commands.append((line[2:], into))
            else:
                into.append(line)
        yield case


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory in which the command is typed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    (tmp_path / "gateway.conf").write_text('[server]\nstate = "state"\n')
    (tmp_path / "policies").mkdir()
    hook = sys.excepthook
    yield tmp_path
    sys.excepthook = hook


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.title)
def test_a_mistake_is_told_as_it_is_written(
    case: Case, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lines in case.files.items():
        (home / name).write_text("\n".join(lines) + "\n")
    for words, expected in case.commands:
        code = run(words.split())
        said = capsys.readouterr().err.replace(f"{home}/", "").splitlines()
        assert said == expected
        assert code == (1 if expected else 0)
        assert not any("a fault of ours" in line for line in said)
