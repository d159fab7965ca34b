"""Variables (RFC 5229): set with its modifiers, and the string test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import quote

from gateway.sieve.checker import Builder
from gateway.sieve.comparators import octets
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Command, Run, Test
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command, test
from gateway.sieve.strings import is_identifier
from gateway.sieve.syntax import Argument, Text

MODIFIERS = (
    Tagged("lower", group="case modifier", help="All letters small."),
    Tagged("upper", group="case modifier", help="All letters capital."),
    Tagged("lowerfirst", group="first-letter modifier", help="The first letter small."),
    Tagged("upperfirst", group="first-letter modifier", help="The first letter capital."),
    Tagged("quotewildcard", group="quoting modifier", help="Make * and ? plain characters."),
    Tagged(
        "quoteregex",
        group="quoting modifier",
        capability="regex",
        help="Make the characters of regular expressions plain.",
    ),
    Tagged(
        "encodeurl",
        group="encoding modifier",
        capability="enotify",
        help="Percent-encode it for a URI.",
    ),
    Tagged("length", group="length modifier", help="Its length instead."),
)
MAX_NAME = 64  # characters
Modifier = Callable[[str, int], str]  # a value and the limit of its octets -> a value


def modifiers(given: Given) -> Callable[[str, Run], str]:
    """Return what applies the modifiers there are, by their precedence (RFC 5229 §4.1)."""
    chosen = [change for name, change in _BY_PRECEDENCE if given.has(name)]

    def modify(value: str, run: Run) -> str:
        for change in chosen:
            value = change(value, run.limits.variable_bytes)
        return value

    return modify


def variable_slot(argument: Argument, builder: Builder) -> str:
    """Return the slot of the variable that a constant string names; a bad name is reported."""
    name = argument.value.lower() if isinstance(argument, Text) else ""
    space, dot, rest = name.rpartition(".")
    if dot and space == "global" and is_identifier(rest) and builder.has("include"):
        return name
    if not is_identifier(name) or len(name) > MAX_NAME:
        builder.error(argument, f"'{name[:60]}' is not the name of a variable that can be set")
    builder.declare(name, argument)
    return builder.slot(name)


def _build_set(given: Given, builder: Builder) -> Command:
    value = builder.text(given.positionals[1])
    slot = variable_slot(given.positionals[0], builder)
    modify = modifiers(given)

    def run_set(run: Run) -> None:
        stranger = value.has_stranger(run)
        run.set_variable(slot, modify(value.expand(run), run), stranger=stranger)

    return run_set


def _build_string(given: Given, builder: Builder) -> Test:
    source = builder.texts(given.positionals[0])
    match = compile_match(given, builder, keys=builder.texts(given.positionals[1]))
    if given.has("count"):
        return lambda run: match(run, [value for value in source.expand(run) if value])
    return lambda run: match(run, source.expand(run))


def _lower(value: str, limit: int) -> str:
    return value.lower()


def _upper(value: str, limit: int) -> str:
    return value.upper()


def _lower_first(value: str, limit: int) -> str:
    return value[:1].lower() + value[1:]


def _upper_first(value: str, limit: int) -> str:
    return value[:1].upper() + value[1:]


def _quote_wildcard(value: str, limit: int) -> str:
    return _whole(("\\" + c if c in "*?\\" else c for c in value), limit)


def _quote_regex(value: str, limit: int) -> str:
    return "".join("\\" + c if c in "\\^$.[]|()*+?{}" else c for c in value)


def _encode_url(value: str, limit: int) -> str:
    """Encode what a URL reserves (RFC 5435 §6); no character is cut in two at the limit."""
    return _whole((quote(octets(c), safe="-_.~") for c in value), limit)


def _length(value: str, limit: int) -> str:
    return str(len(value))


def _whole(pieces: Iterable[str], limit: int) -> str:
    """Join pieces up to the limit, the last one whole."""
    kept: list[str] = []
    for piece in pieces:
        limit -= len(octets(piece))
        if limit < 0:
            break
        kept.append(piece)
    return "".join(kept)


_BY_PRECEDENCE: tuple[tuple[str, Modifier], ...] = (
    ("lower", _lower),
    ("upper", _upper),
    ("lowerfirst", _lower_first),
    ("upperfirst", _upper_first),
    ("quotewildcard", _quote_wildcard),
    ("quoteregex", _quote_regex),
    ("encodeurl", _encode_url),
    ("length", _length),
)

SIGNATURES = (
    command(
        "set",
        _build_set,
        help="Give a variable a value.",
        capability="variables",
        tags=MODIFIERS,
        positionals=(Positional("name", Kind.TEXT), Positional("value", Kind.TEXT)),
    ),
    test(
        "string",
        _build_string,
        help="Compare strings, mostly with variables in them, with keys.",
        capability="variables",
        tags=COMPARISON,
        positionals=(Positional("source", Kind.TEXTS), Positional("keys", Kind.TEXTS)),
    ),
)
