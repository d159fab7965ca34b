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
from gateway.sieve.glob import find_spans, parse_pattern
from gateway.sieve.runtime import Run, RunError, listed
from gateway.sieve.signature import Given, Kind, Tagged
from gateway.sieve.strings import Expressions
from gateway.sieve.syntax import Argument, Text, Texts

if TYPE_CHECKING:
    from gateway.sieve.checker import Builder

Matcher = Callable[[Run, Sequence[str]], bool]
_One = Callable[[Run, str, Sequence[str]], bool]  # one value against all keys

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

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
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
    match name:
        case "is":
            return _shown(_any(_is(comparator, keys)), "is", keys)
        case "contains":
            return _shown(_any(_contains(comparator, keys)), "contains", keys)
        case "matches":
            _check_patterns(given, builder, keys=keys)
            return _shown(_any(_matches(comparator, keys, sets=sets_matches)), "matches", keys)
        case "regex":
            _check_regexes(given, builder, keys=keys)
            return _shown(_any(_regex(comparator, sets=sets_matches)), "regex", keys)
        case "list":
            _check_lists(given, builder, keys=keys)
            return _shown(_any(_list()), "list", keys)
    relation = _relation(given, builder, name=name)
    relate = _count if name == "count" else _value
    return _shown(relate(comparator, keys, relation), f"{name} {relation}", keys)


def _shown(
    compare: Callable[[Run, Sequence[str], Sequence[str]], bool], word: str, keys: Expressions
) -> Matcher:
    constants = keys.constants
    if constants is None:

        def match(run: Run, values: Sequence[str]) -> bool:
            wanted = keys.expand(run)
            if run.trace is not None:
                run.compared = values, f"{word} {listed(wanted)}"
            return compare(run, values, wanted)

        return match
    relation = f"{word} {listed(constants)}"

    def match_constants(run: Run, values: Sequence[str]) -> bool:
        run.compared = values, relation
        return compare(run, values, constants)

    return match_constants


def _any(one: _One) -> Callable[[Run, Sequence[str], Sequence[str]], bool]:
    def compare(run: Run, values: Sequence[str], keys: Sequence[str]) -> bool:
        for value in values:
            run.check_time()
            if one(run, value, keys):
                return True
        return False

    return compare


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


def _folded(
    comparator: Comparator, keys: Expressions
) -> Callable[[Sequence[str]], Sequence[Any]]:
    """Return what folds keys; constant ones are folded once."""
    return _prepared(keys, comparator.fold)


def _prepared(
    keys: Expressions, prepare: Callable[[str], Any]
) -> Callable[[Sequence[str]], Sequence[Any]]:
    if keys.constants is None:
        return lambda found: [prepare(key) for key in found]
    ready = [prepare(key) for key in keys.constants]
    return lambda found: ready


def _is(comparator: Comparator, keys: Expressions) -> _One:
    if not comparator.substrings:
        orders = _prepared(keys, comparator.order)
        return lambda run, value, found: comparator.order(value) in orders(found)
    folded = _folded(comparator, keys)
    return lambda run, value, found: comparator.fold(value) in folded(found)


def _contains(comparator: Comparator, keys: Expressions) -> _One:
    folded = _folded(comparator, keys)

    def one(run: Run, value: str, found: Sequence[str]) -> bool:
        text = comparator.fold(value)
        return any(key in text for key in folded(found))

    return one


def _matches(comparator: Comparator, keys: Expressions, *, sets: bool) -> _One:
    patterns = _prepared(keys, lambda key: parse_pattern(comparator.fold(key)))

    def one(run: Run, value: str, found: Sequence[str]) -> bool:
        text = comparator.fold(value)
        for pattern in patterns(found):
            run.check_time()
            spans = find_spans(pattern, text)
            if spans is not None:
                if sets:
                    run.matches = _captured(comparator, value, spans)
                return True
        return False

    return one


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


def _regex(comparator: Comparator, *, sets: bool) -> _One:
    folds = comparator is not OCTET

    def one(run: Run, value: str, found: Sequence[str]) -> bool:
        text, limits = octets(value), run.limits
        for key in found:
            run.check_time()
            try:
                groups = search(key, text, folds=folds, max_bytes=limits.regex_bytes)
            except BadPattern as error:
                raise RunError(str(error)) from error
            if groups is not None:
                if sets:
                    run.matches = groups[: limits.captures + 1]
                return True
        return False

    return one


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


def _list() -> _One:
    def one(run: Run, value: str, found: Sequence[str]) -> bool:
        return any(run.outside.list_contains(name, value) for name in found)

    return one


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


def _value(
    comparator: Comparator, keys: Expressions, relation: str
) -> Callable[[Run, Sequence[str], Sequence[str]], bool]:
    orders = _prepared(keys, comparator.order)
    relate = _RELATIONS[relation]

    def compare(run: Run, values: Sequence[str], found: Sequence[str]) -> bool:
        return any(
            relate(order, key)
            for order in map(comparator.order, values)
            for key in orders(found)
        )

    return compare


def _count(
    comparator: Comparator, keys: Expressions, relation: str
) -> Callable[[Run, Sequence[str], Sequence[str]], bool]:
    relate = _RELATIONS[relation]

    def compare(run: Run, values: Sequence[str], found: Sequence[str]) -> bool:
        count = comparator.order(str(len(values)))
        return any(relate(count, comparator.order(key)) for key in found)

    return compare
