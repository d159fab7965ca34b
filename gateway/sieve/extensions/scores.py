"""Verdicts of filters in front of us (RFC 5235): spamtest and virustest."""

from __future__ import annotations

from math import inf

from gateway.sieve.checker import Builder
from gateway.sieve.comparators import octets
from gateway.sieve.expressions import BadPattern, search
from gateway.sieve.interface import Scores
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Run, RunError, Test
from gateway.sieve.signature import Given, Kind, Positional, Tagged, test

_EPSILON = 0.001  # 0.29 of 100 is 29, not 28.999


def _build_spamtest(given: Given, builder: Builder) -> Test:
    match = compile_match(given, builder, keys=builder.texts(given.positionals[0]))
    percent = given.has("percent")
    return lambda run: match(run, [_spam_value(run, percent=percent)])


def _build_virustest(given: Given, builder: Builder) -> Test:
    match = compile_match(given, builder, keys=builder.texts(given.positionals[0]))
    return lambda run: match(run, [_value(run.limits.virus, run, most=5)])


def _spam_value(run: Run, *, percent: bool) -> str:
    if not percent:
        return _value(run.limits.spam, run, most=10)
    share = _share(run.limits.spam, run, most=10)
    return "0" if share is None else str(int(share * 100 + _EPSILON))


def _value(scores: Scores | None, run: Run, *, most: int) -> str:
    """Return 1 to `most`, or 0 where nothing was tested (RFC 5235 §2.1)."""
    share = _share(scores, run, most=most)
    return "0" if share is None else str(int(share * (most - 1) + 1 + _EPSILON))


def _share(scores: Scores | None, run: Run, *, most: int) -> float | None:
    """Return the verdict between 0 and 1, or None where there is none."""
    if scores is None:
        return None
    found = _extract(scores.header, run)
    if found is None:
        return None
    if scores.kind == "text":
        return _text_share(scores, found, most=most)
    value = float(len(found)) if scores.kind == "length" else _number(found)
    maximum = scores.maximum
    if scores.maximum_header:
        stated = _extract(scores.maximum_header, run)
        maximum = _number(stated) if stated is not None else None
    if value is None or maximum is None or not 0 < maximum < inf:
        return None
    return min(max(value / maximum, 0.0), 1.0)


def _text_share(scores: Scores, found: str, *, most: int) -> float | None:
    for value, text in scores.texts:
        if text == found:
            return max(value - 1, 0) / (most - 1)
    return None


def _extract(where: str, run: Run) -> str | None:
    """Return the header's value, or what the expression takes out of it."""
    name, _, pattern = where.partition(":")
    believed = run.outside.scanned(name.strip())
    if believed is None:
        believed = [field.unfolded for field in run.message.named([name.strip()])]
    if not believed:
        return None
    value = believed[0]
    if not pattern.strip():
        return value
    try:
        groups = search(
            pattern.strip(), octets(value), folds=False, max_bytes=run.limits.regex_bytes
        )
    except BadPattern as error:
        raise RunError(str(error)) from error
    return groups[1] if groups and len(groups) > 1 else None


def _number(text: str) -> float | None:
    """Return the number that `text` begins with."""
    end = 1 if text[:1] in ("-", "+") else 0
    while end < len(text) and text[end] in "0123456789.":
        end += 1
    try:
        return float(text[:end])
    except ValueError:
        return None


_VALUE = (Positional("value", Kind.TEXT),)
SIGNATURES = (
    test(
        "spamtest",
        _build_spamtest,
        help="Compare the spam score of a filter in front of us.",
        capability="spamtest",
        tags=(
            Tagged(
                "percent", capability="spamtestplus", help="From 0 to 100 instead of 1 to 10."
            ),
            *COMPARISON,
        ),
        positionals=_VALUE,
    ),
    test(
        "virustest",
        _build_virustest,
        help="Compare the verdict of a virus scanner in front of us.",
        capability="virustest",
        tags=COMPARISON,
        positionals=_VALUE,
    ),
)
