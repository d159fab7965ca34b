"""Tokens to the tree; the parser goes on after an error."""

from __future__ import annotations

import pytest

from gateway.sieve.diagnostics import Source
from gateway.sieve.parser import parse
from gateway.sieve.syntax import Call, Number, Tag, Text, Texts


def parsed(text: str) -> tuple[tuple[Call, ...], list[tuple[int, str]]]:
    source = Source(text, "x.sieve")
    calls = parse(source, nesting=4)
    return calls, [(one.line, one.message) for one in source.errors]


def test_a_call_has_arguments_tests_and_a_block() -> None:
    calls, faults = parsed('if allof (a :b 1 "c", d ["e", "f"]) { keep; }')
    assert faults == []
    test = calls[0].tests[0]
    first, second = test.tests
    assert [type(one) for one in first.arguments] == [Tag, Number, Text]
    assert isinstance(second.arguments[0], Texts)
    assert [one.name for one in calls[0].block or ()] == ["keep"]


def test_several_errors_are_found_in_one_run() -> None:
    _, faults = parsed('keep $;\nfileinto "a" 3,\n;\nstop;\n}\nkeep')
    assert [line for line, _ in faults] == [1, 2, 5, 6]
    assert faults[-1][1] == "missing semicolon after the keep command; end it with ';'"


@pytest.mark.parametrize("text", ["a { " * 9 + "} " * 9, "if " + "not " * 9 + "true { }"])
def test_nesting_has_an_end(text: str) -> None:
    assert "deeper than 4" in parsed(text)[1][0][1]


def test_what_stands_behind_an_error_is_still_read() -> None:
    calls, faults = parsed('keep "a" [; stop;')
    assert len(faults) == 1
    assert [call.name for call in calls] == ["stop"]
