"""Match types (RFC 5228 §2.7.1, RFC 5231, :regex, RFC 6134): values against keys."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gateway.sieve.comparators import (
    ASCII_CASEMAP,
    BUILT_IN,
    COMPARATORS,
    OCTET,
    Comparator,
    octets,
)
from gateway.sieve.expressions import BadPattern, compile_pattern, search
from gateway.sieve.glob import Pattern, find_spans, parse_pattern
from gateway.sieve.interface import Limits
from gateway.sieve.runtime import Run, RunError, listed
from gateway.sieve.signature import Given, Kind, Tagged
from gateway.sieve.strings import Expressions
from gateway.sieve.syntax import Argument, Text, Texts

if TYPE_CHECKING:
    from gateway.sieve.checker import Builder

Matcher = Callable[[Run, Sequence[str]], bool]
_Compare = Callable[[Run, Sequence[str], Sequence[Any]], bool]  # values with prepared keys
_Relate = Callable[[Any, Any], bool]

LONG = 10_000  # characters; in a longer value each key is looked for by the clock
COUNTED_AS_TEXT = (  # RFC 5228 §2.7.3: the default comparator knows no numbers
    '\':count\' compares text here, and "10" comes before "9";'
    ' add :comparator "i;ascii-numeric"'
)
MATCH_TYPES = (
    Tagged("is", group="match type", help="The value is the key."),
    Tagged("contains", group="match type", help="The key is somewhere in the value."),
    Tagged(
        "matches",
        group="match type",
        help="The key is a pattern: * stands for any text, ? for one character.",
    ),
    Tagged(
        "count",
        Kind.TEXT,
        group="match type",
        capability="relational",
        help="Compare how many values there are: gt, ge, lt, le, eq or ne.",
    ),
    Tagged(
        "value",
        Kind.TEXT,
        group="match type",
        capability="relational",
        help="Compare by order: gt, ge, lt, le, eq or ne.",
    ),
    Tagged(
        "regex",
        group="match type",
        capability="regex",
        help="The key is a regular expression (POSIX extended).",
    ),
    Tagged(
        "list",
        group="match type",
        capability="extlists",
        help="The value is in a list of lists/.",
    ),
)
COMPARISON = (
    Tagged(
        "comparator",
        Kind.TEXT,
        help="How characters are compared: i;octet, i;ascii-casemap, i;ascii-numeric.",
    ),
    *MATCH_TYPES,
)

_RELATIONS: dict[str, _Relate] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
}


def compile_match(
    given: Given,
    builder: Builder,
    *,
    keys: Expressions,
    default: Comparator = ASCII_CASEMAP,
    sets_matches: bool = True,
) -> Matcher:
    """Return what compares values with `keys` as the tags of `given` say.

    Errors in the tags and in constant keys are reported to `builder`.
    """
    name = given.chosen("match type") or "is"
    comparator = _comparator(given, builder, default=default)
    _check_substrings(given, builder, name=name, comparator=comparator)
    fold, order = comparator.fold, comparator.order
    match name:
        case "is":
            same = fold if comparator.substrings else order
            return _matcher(name, keys, same, _is(same))
        case "contains":
            return _matcher(name, keys, fold, _contains(fold))
        case "matches":
            _check_patterns(given, builder, keys=keys)
            compare = _matches(comparator, sets=sets_matches)
            return _matcher(name, keys, lambda key: parse_pattern(fold(key)), compare)
        case "regex":
            _check_regexes(given, builder, keys=keys)
            return _matcher(name, keys, str, _regex(comparator, sets=sets_matches))
        case "list":
            _check_lists(given, builder, keys=keys)
            return _matcher(name, keys, str, _list)
    relation = _relation(given, builder, name=name)
    if name == "count" and comparator.substrings and relation not in ("eq", "ne"):
        builder.warn(given.tags["count"], COUNTED_AS_TEXT)
    relate = _count if name == "count" else _value
    return _matcher(f"{name} {relation}", keys, order, relate(order, _RELATIONS[relation]))


def _matcher(
    words: str, keys: Expressions, prepare: Callable[[str], Any], compare: _Compare
) -> Matcher:
    """Return what prepares the keys and compares; constant keys are prepared once, here."""
    constants = keys.constants
    if constants is None:

        def match(run: Run, values: Sequence[str]) -> bool:
            wanted = keys.expand(run)
            run.compared = values, f"{words} {listed(wanted)}"
            return compare(run, values, [prepare(key) for key in wanted])

        return match
    ready = [prepare(key) for key in constants]
    relation = f"{words} {listed(constants)}"

    def match_constants(run: Run, values: Sequence[str]) -> bool:
        run.compared = values, relation
        return compare(run, values, ready)

    return match_constants


def _comparator(given: Given, builder: Builder, *, default: Comparator) -> Comparator:
    argument = given.tags.get("comparator")
    if not isinstance(argument, Text):
        return default
    found = COMPARATORS.get(argument.value)
    if found is None:
        hint = builder.source.suggest(argument.value, COMPARATORS)
        builder.error(argument, f"there is no comparator '{argument.value}'{hint}")
        return default
    if found.name not in BUILT_IN:
        builder.need(f"comparator-{found.name}", argument)
    return found


def _check_substrings(
    given: Given, builder: Builder, *, name: str, comparator: Comparator
) -> None:
    if not comparator.substrings and name in ("contains", "matches", "regex"):
        builder.error(
            given.tags[name],
            f"the comparator '{comparator.name}' works with :is, :value and :count,"
            f" not with :{name}",
        )


def _is(same: Callable[[str], object]) -> _Compare:
    def compare(run: Run, values: Sequence[str], keys: Sequence[object]) -> bool:
        for value in values:
            run.check_time()
            if same(value) in keys:
                return True
        return False

    return compare


def _contains(fold: Callable[[str], str]) -> _Compare:
    def compare(run: Run, values: Sequence[str], keys: Sequence[str]) -> bool:
        for value in values:
            run.check_time()
            text = fold(value)
            for key in keys:
                if key in text:
                    return True
                if len(text) > LONG:
                    run.check_time()
        return False

    return compare


def _matches(comparator: Comparator, *, sets: bool) -> _Compare:
    def compare(run: Run, values: Sequence[str], patterns: Sequence[Pattern]) -> bool:
        for value in values:
            text = comparator.fold(value)
            for pattern in patterns:
                run.check_time()
                spans = find_spans(pattern, text, run.check_time)
                if spans is not None:
                    if sets:
                        run.matches = _captured(comparator, value, spans)
                    return True
        return False

    return compare


def _captured(
    comparator: Comparator, value: str, spans: Sequence[tuple[int, int]]
) -> Sequence[str]:
    """Return match value 0 and one for each wildcard, cut from the value as it was."""
    if comparator.fold_keeps_length or value.isascii():
        return [value, *(value[start:end] for start, end in spans)]
    origin = [n for n, character in enumerate(value) for _ in comparator.fold(character)]
    origin.append(len(value))
    return [value, *(value[origin[start] : origin[end]] for start, end in spans)]


def _check_patterns(given: Given, builder: Builder, *, keys: Expressions) -> None:
    if keys.constants and not any(_wild(key) for key in keys.constants):
        builder.warn(
            given.tags["matches"], "':matches' without '*' or '?' in a key; use ':is' instead"
        )


def _wild(key: str) -> bool:
    return parse_pattern(key).has_wildcard


def _regex(comparator: Comparator, *, sets: bool) -> _Compare:
    folds = comparator is not OCTET

    def compare(run: Run, values: Sequence[str], keys: Sequence[str]) -> bool:
        for value in values:
            text = octets(value)
            for key in keys:
                run.check_time()
                groups = _groups(key, text, folds=folds, limits=run.limits)
                if groups is not None:
                    if sets:
                        run.matches = groups[: run.limits.captures + 1]
                    return True
        return False

    return compare


def _groups(key: str, text: bytes, *, folds: bool, limits: Limits) -> Sequence[str] | None:
    try:
        return search(key, text, folds=folds, max_bytes=limits.regex_bytes)
    except BadPattern as error:
        raise RunError(str(error)) from error


def _check_regexes(given: Given, builder: Builder, *, keys: Expressions) -> None:
    for item in keys.items:
        if item.constant is None:
            continue
        try:
            compile_pattern(item.constant, True, builder.limits.regex_bytes)
        except BadPattern as error:
            builder.error(_place_of(item.constant, given), str(error))


def _place_of(key: str, given: Given) -> Argument:
    """Return where a constant key stands, else the tag."""
    last = given.positionals[-1]
    items = last.items if isinstance(last, Texts) else (last,)
    found = (one for one in items if isinstance(one, Text) and one.value == key)
    return next(found, given.tags["regex"])


def _list(run: Run, values: Sequence[str], names: Sequence[str]) -> bool:
    for value in values:
        run.check_time()
        if any(run.outside.list_contains(name, value) for name in names):
            return True
    return False


def _check_lists(given: Given, builder: Builder, *, keys: Expressions) -> None:
    for name in keys.constants or ():
        builder.check_name("list", name, given.tags["list"])


def _relation(given: Given, builder: Builder, *, name: str) -> str:
    argument = given.tags[name]
    relation = argument.value.lower() if isinstance(argument, Text) else ""
    if relation not in _RELATIONS:
        builder.error(argument, f"':{name}' takes gt, ge, lt, le, eq or ne, not '{relation}'")
        return "eq"
    return relation


def _value(order: Callable[[str], object], relate: _Relate) -> _Compare:
    def compare(run: Run, values: Sequence[str], keys: Sequence[object]) -> bool:
        for value in values:
            run.check_time()
            ordered = order(value)
            if any(relate(ordered, key) for key in keys):
                return True
        return False

    return compare


def _count(order: Callable[[str], object], relate: _Relate) -> _Compare:
    def compare(run: Run, values: Sequence[str], keys: Sequence[object]) -> bool:
        count = order(str(len(values)))
        return any(relate(count, key) for key in keys)

    return compare
