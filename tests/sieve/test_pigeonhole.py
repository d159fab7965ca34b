"""The test suites of Pigeonhole, run in place, never copied: all pass that are not listed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from gateway.sieve.interface import CompileError
from gateway.sieve.testsuite import run_testsuite

ROOT = Path(__file__).parents[2]
SOURCES = Path(os.environ.get("PIGEONHOLE", ROOT / "build" / "pigeonhole"))
SUITES = sorted((SOURCES / "tests").rglob("*.svtest"))
LISTED_FOR = "0.5.19"


def listed() -> dict[tuple[str, str], str]:
    """Return the reason of each (file, case) that is left out."""
    text = Path(__file__).with_name("pigeonhole.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    rows = [[word.strip() for word in line.split("|", 2)] for line in lines]
    return {(file, case): reason for file, case, reason in rows}


LEFT_OUT = listed()


def failures(path: Path) -> dict[str, str]:
    """Return the cases of a suite that do not pass, and why."""
    try:
        results = run_testsuite(path)
    except CompileError as error:
        return {"*": error.diagnostics[0].message}
    return {one.name: one.reason for one in results if not one.ok}


def test_the_suites_are_there() -> None:
    if SUITES:
        return
    reason = "needs Pigeonhole's sources: sh tests/all fetches them"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_the_list_tells_which_cases_fail(path: Path) -> None:
    """No more than the list says; and in the version that it was made for, no less."""
    file = path.relative_to(SOURCES / "tests").as_posix()
    known = {case for name, case in LEFT_OUT if name == file}
    found = failures(path)
    if "*" in known:
        assert found
        return
    assert {case: why for case, why in found.items() if case not in known} == {}
    assert set(found) == known or version() != LISTED_FOR


def version() -> str:
    """Return the version of the sources."""
    configure = (SOURCES / "configure.ac").read_text("utf-8")
    found = re.search(r"\[(?:Pigeonhole|dovecot-pigeonhole)\], ?\[([^]]+)\]", configure)
    return found[1] if found else ""
