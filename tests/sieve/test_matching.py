"""Match types on headers, their comparators and captures."""

from __future__ import annotations

import pytest

from gateway.sieve.interface import CompileError
from tests.sieve.outside import World, holds, kinds, run


@pytest.mark.parametrize(
    "test",
    [
        'header "subject" "rückgabe of my lamp"',
        'header :contains "subject" "LAMP"',
        'header :matches "subject" "*of*"',
        'header :regex "subject" "my (lamp|desk)$"',
        'not header :comparator "i;octet" :contains "subject" "LAMP"',
        'header :comparator "i;unicode-casemap" :contains "subject" "RÜCK"',
        'header :count "eq" "subject" "1"',
        'header :value "lt" "subject" "z"',
        'not header "x-none" ""',
        'header :contains "subject" ""',
        'header :list "message-id" "known"',
    ],
)
def test_a_match_type_matches(test: str) -> None:
    assert holds(test, world=World(lists={"known": {"<1@customer.example>"}}))


@pytest.mark.parametrize(
    "test",
    [
        'header :comparator "i;ascii-numeric" :contains "a" "b"',
        'header :comparator "i;nonsense" "a" "b"',
        'header :value "xx" "a" "b"',
        'header :regex "a" "["',
        'header :is :contains "a" "b"',
    ],
)
def test_what_cannot_be_compared_does_not_compile(test: str) -> None:
    with pytest.raises(CompileError):
        holds(test)


def test_captures_come_from_the_value_as_it_was() -> None:
    result = run(
        'if header :comparator "i;unicode-casemap" :matches "subject" "r* of my *"'
        ' { fileinto "${1}.${2}"; }'
    )
    assert result.actions[0].target == "ückgabe.lamp"


def test_an_expression_made_at_run_time_is_a_run_time_error_when_broken() -> None:
    result = run('set "x" "["; if header :regex "subject" "${x}" { discard; }')
    assert result.error is not None
    assert "regular expression" in result.error.message


def test_the_last_of_32_match_values_is_there_for_every_match_type() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz012345"
    letter = f"S: {letters}\r\n\r\n".encode()
    for test in (f':regex "s" "{"(.)" * 32}"', f':matches "s" "{"?" * 32}"'):
        result = run(f'if header {test} {{ addflag "${{32}}"; }}', letter=letter)
        assert result.passed.flags == ("5",)


def test_a_string_is_measured_in_octets() -> None:
    for times, fails in ((8, False), (9, True)):
        source = f'set "a" "{"ü" * 4000}"; set "b" "{"${a}" * times}";'
        assert (run(source).error is not None) is fails


def test_a_test_that_fails_leaves_the_match_values() -> None:
    source = """
    if header :matches "subject" "*of*" {
      if header :matches "to" "x*" { stop; }
      fileinto "${1}";
    }"""
    assert run(source).actions[0].target == "Rückgabe "
    assert kinds(run(source)) == ["fileinto"]
