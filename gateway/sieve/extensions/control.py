"""Control commands (RFC 5228 §3): if, elsif, else, require, stop."""

from __future__ import annotations

from gateway.sieve.checker import Builder
from gateway.sieve.runtime import Command, Run, StopScript
from gateway.sieve.signature import Given, Kind, Positional, Tests, command
from gateway.sieve.syntax import Text, Texts


def _build_branch(given: Given, builder: Builder) -> Command:
    """Stand for `elsif` or `else` without an `if`, which the checker reported."""
    block = given.call.block or ()
    return builder.block(block)


def _build_stop(given: Given, builder: Builder) -> Command:
    def stop(run: Run) -> None:
        raise StopScript

    return stop


def _build_require(given: Given, builder: Builder) -> Command:
    argument = given.positionals[0]
    if not builder.at_start or builder.depth > 1:
        builder.error(given.call, "'require' must stand before all other commands; move it up")
        return _do_nothing
    items = argument.items if isinstance(argument, Texts) else (argument,)
    known = builder.unit.language.capabilities
    for item in items:
        if not isinstance(item, Text):
            continue
        if item.value in known:
            builder.enable(item.value, item)
        else:
            hint = builder.source.suggest(item.value, known)
            builder.error(item, f"there is no extension '{item.value}'{hint}")
    return _do_nothing


def _do_nothing(run: Run) -> None:
    """`require` speaks to the compiler alone."""


SIGNATURES = (
    command(
        "if",
        _build_branch,
        help="Run the block when the test is true.",
        tests=Tests.ONE,
        block=True,
    ),
    command(
        "elsif",
        _build_branch,
        help="Run the block when no block before it ran and the test is true.",
        tests=Tests.ONE,
        block=True,
    ),
    command(
        "else", _build_branch, help="Run the block when no block before it ran.", block=True
    ),
    command("stop", _build_stop, help="End this file; the next file of the chain runs."),
    command(
        "require",
        _build_require,
        help="Name the extensions that this file uses.",
        positionals=(Positional("extensions", Kind.TEXTS),),
    ),
)
