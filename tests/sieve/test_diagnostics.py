"""An error as an admin reads it."""

from __future__ import annotations

import pytest

from gateway.sieve.diagnostics import Source, render, suggest
from gateway.sieve.interface import CompileError
from gateway.sieve.script import compile_script
from tests.sieve.outside import World


def test_an_error_shows_place_sentence_line_and_mark() -> None:
    source = 'keep;\n  if header :contians "Subject" "lottery" {\n}\n'
    with pytest.raises(CompileError) as caught:
        compile_script(source, name="20-spam.sieve", loader=World())
    assert render(caught.value.diagnostics[0]).split("\n") == [
        "20-spam.sieve:2:13: error: 'header' has no argument ':contians';"
        " did you mean ':contains'?",
        '   2 |   if header :contians "Subject" "lottery" {',
        "     |             ^^^^^^^^^",
    ]


def test_a_tab_before_the_mark_stays_a_tab() -> None:
    source = Source("\tkep;", "x")
    source.error(1, "no")
    assert render(source.errors[0]).endswith("     | \t^")


def test_no_more_than_twenty_errors_are_kept() -> None:
    source = Source("x", "x")
    for _ in range(30):
        source.error(0, "no")
    assert len(source.errors) == 20


def test_a_word_that_is_like_none_gets_no_suggestion() -> None:
    assert suggest("zzz", ["keep"]) == ""
