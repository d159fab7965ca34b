"""Golden mistakes of an admin: file, line, column, sentence, source line, mark and suggestion.

`GATEWAY_ACCEPT=1` rewrites what is expected; the difference is reviewed as code.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.sieve.diagnostics import render
from gateway.sieve.interface import CompileError, Diagnostic
from gateway.sieve.language import language_of
from gateway.sieve.script import compile_script
from tests.sieve.outside import World

MISTAKES = sorted((Path(__file__).parents[1] / "golden" / "policies").glob("*.sieve"))
KNOWN = {
    "route": ["billing", "support", "INBOX"],
    "list": ["vip", "partners"],
    "template": ["templates/received.txt", "templates/footer.txt"],
}


def faults(path: Path) -> tuple[Diagnostic, ...]:
    text = path.read_text("utf-8")
    try:
        script = compile_script(
            text, name=path.name, loader=World(known=KNOWN), language=language_of("inbound")
        )
    except CompileError as error:
        return error.diagnostics
    return script.warnings


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_a_mistake_is_told_as_it_is_written(path: Path) -> None:
    told = "".join(f"{render(one)}\n" for one in faults(path))
    expected = path.with_suffix(".expect")
    if os.environ.get("GATEWAY_ACCEPT"):
        expected.write_text(told, "utf-8")
    assert told
    assert told == expected.read_text("utf-8")


def test_there_are_at_least_twenty() -> None:
    assert len(MISTAKES) >= 20
