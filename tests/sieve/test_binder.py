"""Arguments that do not fit what a signature says."""

from __future__ import annotations

import pytest

from gateway.sieve.interface import CompileError
from gateway.sieve.script import compile_script
from tests.sieve.outside import World


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("redirect;", "requires 1 positional argument (address), but 0 are"),
        ('redirect "a@b.example" "c";', "but 2 are specified"),
        ("redirect 3;", "expects a string as argument 1 (address), but a number was found"),
        ("addflag;", "requires 1 or 2 positional arguments"),
        ('if header "a" :is "b" { }', "behind the positional arguments"),
        ('if header :is :is "a" "b" { }', "twice"),
        ('if address :domain :all "to" "b" { }', "beside ':domain'"),
        ('if header :comparator "a" { }', "requires 2"),
        ('if header matches "a" "b" { }', "missing colon before the ':matches'"),
        ('fileinto "a"\nkeep;', "missing semicolon after the fileinto command"),
        ("if { }", "exactly one test"),
        ("if anyof true { }", "list of tests in parentheses"),
        ("if true;", "followed by a block"),
        ("keep { }", "takes no block"),
        ("if keep { }", "cannot use command 'keep' as test"),
        ("true;", "cannot use test 'true' as command; it stands behind 'if'"),
        ('set a "b";', "'a' is no argument of the set command; a string stands in quotes"),
        ("else { }", "must follow the block"),
    ],
)
def test_each_fault_is_one_clear_sentence(source: str, said: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile_script(source, name="x", loader=World())
    assert len(caught.value.diagnostics) == 1, caught.value
    assert said in caught.value.diagnostics[0].message
