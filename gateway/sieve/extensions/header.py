"""Tests of the header and of the size (RFC 5228 §5): header, exists, size."""

from __future__ import annotations

from gateway.sieve.checker import Builder
from gateway.sieve.extensions.selection import (
    INDEX,
    MIME,
    MIME_OPTIONS,
    finder,
    selection,
    values_of,
)
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Run, Test
from gateway.sieve.signature import Given, Kind, Positional, Tagged, test
from gateway.sieve.syntax import Number


def _build_header(given: Given, builder: Builder) -> Test:
    names = builder.texts(given.positionals[0]).lowered()
    match = compile_match(given, builder, keys=builder.texts(given.positionals[1]))
    select = selection(given, builder, names)
    if given.chosen("mime option") is None:
        return lambda run: match(run, [one.value for one in select(run)])
    values = values_of(given, builder)

    def test_header(run: Run) -> bool:
        return match(run, [value for field in select(run) for value in values(run, field)])

    return test_header


def _build_exists(given: Given, builder: Builder) -> Test:
    names = builder.texts(given.positionals[0]).lowered()
    find = finder(given, builder)
    return lambda run: all(find(run, [name]) for name in names(run))


def _build_size(given: Given, builder: Builder) -> Test:
    limit = given.positionals[0].value if isinstance(given.positionals[0], Number) else 0
    which = given.chosen("over or under")
    if which is None:
        builder.error(given.call, "'size' needs ':over' or ':under'")
    if which == "under":
        return lambda run: run.message.size < limit
    return lambda run: run.message.size > limit


SIGNATURES = (
    test(
        "header",
        _build_header,
        help="Compare the values of header fields with keys.",
        tags=(*COMPARISON, *INDEX, *MIME, *MIME_OPTIONS),
        positionals=(
            Positional("header names", Kind.TEXTS),
            Positional("key list", Kind.TEXTS),
        ),
    ),
    test(
        "exists",
        _build_exists,
        help="True when every named header field is there.",
        tags=MIME,
        positionals=(Positional("header names", Kind.TEXTS),),
    ),
    test(
        "size",
        _build_size,
        help="Compare the size of the message with a limit.",
        tags=(
            Tagged("over", group="over or under", help="True when it is larger."),
            Tagged("under", group="over or under", help="True when it is smaller."),
        ),
        positionals=(Positional("limit", Kind.NUMBER),),
    ),
)
