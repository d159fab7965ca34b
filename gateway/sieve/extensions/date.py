"""Tests of dates (RFC 5260): date and currentdate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.sieve.checker import Builder
from gateway.sieve.dates import DATE_PARTS, parse_date, parse_zone
from gateway.sieve.extensions.selection import INDEX, selection
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Run, Test
from gateway.sieve.signature import Given, Kind, Positional, Tagged, test

Shift = Callable[[datetime, Run], datetime]


def _build_date(given: Given, builder: Builder) -> Test:
    name = builder.texts(given.positionals[0]).lowered()
    part = _part(given, builder, at=1)
    match = compile_match(given, builder, keys=builder.texts(given.positionals[2]))
    select, shift = selection(given, builder, name), _shift(given, builder)
    most = None if given.has("index") else 1  # RFC 5260 §4: the first one that is found

    def test_date(run: Run) -> bool:
        dates = (parse_date(field.unfolded) for field in select(run)[:most])
        found = [shift(date, run) for date in dates if date is not None]
        return match(run, [part(date) for date in found])

    return test_date


def _build_currentdate(given: Given, builder: Builder) -> Test:
    part = _part(given, builder, at=0)
    match = compile_match(given, builder, keys=builder.texts(given.positionals[1]))
    shift = _shift(given, builder)
    return lambda run: match(run, [part(shift(run.outside.now, run))])


def _part(given: Given, builder: Builder, *, at: int) -> Callable[[datetime], str]:
    argument = given.positionals[at]
    name = (builder.constant(argument, "the part of the date") or "").lower()
    if name and name not in DATE_PARTS:
        builder.error(
            argument, f"a date has no part '{name}'{builder.source.suggest(name, DATE_PARTS)}"
        )
    return DATE_PARTS.get(name, _nothing)


def _nothing(date: datetime) -> str:
    return ""


def _shift(given: Given, builder: Builder) -> Shift:
    """Return what moves a date to the zone that is meant; the local one by default."""
    if given.has("originalzone"):
        return lambda date, run: date
    argument = given.tags.get("zone")
    if argument is None:
        return lambda date, run: _moved(date, run.outside.now)
    text = builder.constant(argument, "':zone'") or ""
    zone = parse_zone(text) if text[:1] in ("+", "-") else None
    if zone is None:
        builder.error(argument, f"'{text}' is not a time zone; write it like \"+0100\"")
    return lambda date, run: _moved(date, run.outside.now.replace(tzinfo=zone))


def _moved(date: datetime, like: datetime) -> datetime:
    try:
        return date.astimezone(like.tzinfo)
    except OverflowError:  # the first and the last day of the calendar
        return date


ZONES = (
    Tagged("zone", Kind.TEXT, group="zone", help="In this zone, such as +0200."),
    Tagged("originalzone", group="zone", help="In the zone of the header field."),
)
_PART, _KEYS = Positional("date part", Kind.TEXT), Positional("key list", Kind.TEXTS)
SIGNATURES = (
    test(
        "date",
        _build_date,
        help="Compare a part of the date in a header field with keys.",
        capability="date",
        tags=(*ZONES, *COMPARISON, *INDEX),
        positionals=(Positional("header name", Kind.TEXT), _PART, _KEYS),
    ),
    test(
        "currentdate",
        _build_currentdate,
        help="Compare a part of the date and time of now with keys.",
        capability="date",
        tags=(ZONES[0], *COMPARISON),
        positionals=(_PART, _KEYS),
    ),
)
