"""Warnings: the script compiles and may not do what was meant."""

from __future__ import annotations

import pytest

from gateway.sieve.script import compile_script
from tests.sieve.outside import World


def warnings(source: str) -> list[str]:
    world = World(scripts={"answer": 'vacation "x";'})
    return [one.message for one in compile_script(source, name="x", loader=world).warnings]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('set "x" "\\d"; keep;', "swallows"),
        ('if header :matches "a" "b" { keep; }', "without '*'"),
        ('if header :is "a" "b*" { keep; }', "use ':matches'"),
        ("stop; keep;", "behind 'stop'"),
        ("if true { accept; keep; }", "behind 'accept'"),
        ("discard; keep;", "runs although"),
        ('discard; fileinto "x";', "runs although"),
        ("if false { keep; }", "always false"),
        ('if string :contains "abc" "B" { keep; }', "always true"),
        ("if size :under 0 { keep; }", "always false"),
        ('if auth "dkim" "p*" { keep; }', "use ':matches'"),
        ('if date "Date:" "year" "2025" { keep; }', "no ':'"),
        ('require "body"; if address "subject" "a" { keep; }', "no addresses"),
        ('if anyof (header "a" "b", not false) { keep; }', "always true"),
        ('if allof (header "a" "b", anyof (false, not true)) { keep; }', "always false"),
        ('if address "subject" "a" { keep; }', "no addresses"),
        ('if header "a:" "b" { keep; }', "no ':'"),
        ('if address :count "gt" "to" "9" { keep; }', "compares text"),
        ('vacation "x";', 'thread "new"'),
        ('if thread "reply" { addflag "a"; } vacation "x";', 'thread "new"'),
        ('if header "a" "b" { vacation "x"; }', 'thread "new"'),
        ('if thread "reply" { vacation "x"; }', 'thread "new"'),
        ('include "answer";', 'thread "new"'),
        ('fileinto "${nobody}";', "never set"),
        ('set "x" "${message.subjekt}";', "nobody defines"),
        ('if header :regex "Authentication-Results" "dkim=pass" { keep; }', "'auth'"),
        ('deleteheader "Received";', "must not be changed"),
        ('addflag "\\\\nonsense";', "not a flag"),
    ],
)
def test_a_slip_is_a_warning(source: str, said: str) -> None:
    assert any(said in one for one in warnings(source)), warnings(source)


@pytest.mark.parametrize(
    "source",
    [
        'if thread "new" { vacation "x"; }',
        'if thread "reply" { addflag "a"; } else { vacation "x"; }',
        'if duplicate { stop; } if header "a" "b" { vacation "x"; }',
        'if not anyof (duplicate, header "a" "b") { vacation "x"; }',
        'if thread "new" { include "answer"; }',
        'if allof (true, header "a" "b") { keep; }',
        'if header :matches "a" "b*" { fileinto "x"; stop; }',
        'if header :is "subject" "x" { discard; stop; }',
        'set "a" "b"; fileinto "${a}";',
        'if header :matches "a" ["b*", "c"] { keep; }',
        'if header :count "eq" "a" "2" { keep; }',
        'if header :count "gt" :comparator "i;ascii-numeric" "a" "9" { keep; }',
    ],
)
def test_what_is_meant_is_no_warning(source: str) -> None:
    assert warnings(source) == []


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('addflag "x";\ndiscard;', 2),
        ('hold "x";', 1),
        ('if header "a" "b" { addflag "x"; }\nfileinto "desk";', 2),
        ("accept;", 1),
        ("keep;", None),
        ("discard; keep;", None),
        ('if header "a" "b" { stop; } discard;', None),
        ('fileinto :copy "desk";', None),
        ('fileinto "INBOX";', None),
        ('fileinto "${x}";', None),
        ('if header "a" "b" { discard; }', None),
        ('include "x"; discard;', None),
    ],
)
def test_where_a_script_surely_ends_the_chain_is_known(source: str, line: int | None) -> None:
    world = World(scripts={"x": "keep;"})
    assert compile_script(source, name="x", loader=world).end_line == line
