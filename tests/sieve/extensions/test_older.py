"""The drafts that RFC 5232 and RFC 5435 replaced: only for scripts that require them."""

from __future__ import annotations

import pytest

from gateway.sieve.extensions.older import DEBUG, DUPLICATE, MAX_TEXT, NOTIFY
from gateway.sieve.interface import CompileError
from tests.sieve.outside import LETTER, World, kinds, run

OLD = f'require "{NOTIFY}";\n'


def test_the_names_of_the_draft_are_filled_in() -> None:
    script = (
        'notify :message "$from$ ($env-from$): $subject$, $text[5]$, $9$" :options "a@b.c";'
    )
    [told, _] = run(OLD + script).actions
    assert told.arguments["message"] == (
        "ann@customer.example (ann@customer.example): Rückgabe of my lamp, Where, $9$"
    )
    assert told.target.startswith("mailto:a@b.c?")


def test_the_text_of_a_notification_is_bounded() -> None:
    letter = LETTER + b"x" * 10_000
    [told, _] = run(OLD + 'notify :message "$text$" :options "a@b.c";', letter=letter).actions
    assert len(told.arguments["message"]) == MAX_TEXT


def test_denotify_takes_back_what_it_names() -> None:
    script = """
        notify :id "one" :low :options "a@b.c";
        notify :id "two" :options "b@b.c";
        denotify :is "one" :high;
        denotify :contains "tw";
    """
    told = [one.arguments["id"] for one in run(OLD + script).actions if one.kind == "notify"]
    assert told == ["one"]


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        ('mark; addflag "\\\\Seen";', ("\\Flagged", "\\Seen")),
        ('setflag ["\\\\Flagged", "a"]; unmark;', ("a",)),
    ],
)
def test_mark_is_the_flag(script: str, flags: tuple[str, ...]) -> None:
    assert run(f'require "imapflags";\n{script}').passed.flags == flags


@pytest.mark.parametrize("pair", ['["imapflags", "imap4flags"]', '["enotify", "notify"]'])
def test_a_draft_and_what_replaced_it_exclude_each_other(pair: str) -> None:
    with pytest.raises(CompileError, match="cannot be used beside"):
        run(f"require {pair};")


def test_a_recipient_that_comes_from_the_message_is_checked() -> None:
    script = 'require ["notify", "variables"]; set "a" "no"; notify :options "${a}";'
    assert run(script).error is not None


def test_the_older_duplicate_calls_its_key_value() -> None:
    world = World(seen={"ann"})
    script = f'require "{DUPLICATE}"; if duplicate :value "ann" {{ discard; }}'
    assert kinds(run(script, world=world)) == ["discard"]
    with pytest.raises(CompileError, match="uniqueid"):
        run(f'require "{DUPLICATE}"; if duplicate :uniqueid "ann" {{ discard; }}')


def test_a_debug_line_stands_in_the_trace() -> None:
    result = run(f'require ["{DEBUG}", "variables"];\nset "a" "b";\ndebug_log "at ${{a}}";')
    assert result.trace[-1][1:] == (3, "at b")
