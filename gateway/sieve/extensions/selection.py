"""Which header fields a test looks at: `:index` (RFC 5260) and `:mime` (RFC 5703)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.sieve.checker import Builder
from gateway.sieve.message import Field
from gateway.sieve.parameters import parse_structured
from gateway.sieve.runtime import Run
from gateway.sieve.signature import Given, Kind, Tagged
from gateway.sieve.strings import Expressions

INDEX = (
    Tagged("index", Kind.NUMBER, capability="index", help="Only the field of this number."),
    Tagged("last", capability="index", help="Count from the last one."),
)
MIME = (
    Tagged("mime", capability="mime", help="Look at the header of the part."),
    Tagged("anychild", capability="mime", help="Look at the parts below, too."),
)
MIME_OPTIONS = (
    Tagged("type", group="mime option", capability="mime", help="The main type, such as text."),
    Tagged(
        "subtype", group="mime option", capability="mime", help="The subtype, such as plain."
    ),
    Tagged(
        "contenttype",
        group="mime option",
        capability="mime",
        help="The whole type, such as text/plain.",
    ),
    Tagged(
        "param",
        Kind.TEXTS,
        group="mime option",
        capability="mime",
        help="The parameters of these names.",
    ),
)

Fields = Sequence[Field]
Find = Callable[[Run, Sequence[str]], Fields]  # by names in lower case


def selection(
    given: Given, builder: Builder, names: Callable[[Run], Sequence[str]]
) -> Callable[[Run], Fields]:
    """Return what finds the fields of `names`, which are in lower case, as the tags say."""
    find, pick = finder(given, builder), _pick(given, builder)
    if pick is None:
        return lambda run: find(run, names(run))
    return lambda run: pick(find(run, names(run)))


def finder(given: Given, builder: Builder) -> Find:
    """Return what finds fields in the header, or in those that `:mime` means."""
    if given.has("mime"):
        return _mime(given)
    for tag in ("anychild", *(option.name for option in MIME_OPTIONS)):
        if given.has(tag):
            builder.error(given.tags[tag], f"':{tag}' needs ':mime' beside it")
    return _plain


def values_of(given: Given, builder: Builder) -> Callable[[Run, Field], Sequence[str]]:
    """Return what takes the values out of a field, as the options of `:mime` say."""
    match given.chosen("mime option"):
        case "type":
            return lambda run, field: [parse_structured(field.unfolded).main]
        case "subtype":
            return lambda run, field: [parse_structured(field.unfolded).sub]
        case "contenttype":
            return lambda run, field: [parse_structured(field.unfolded).value]
        case "param":
            return _parameters(builder.texts(given.tags["param"]))
    return lambda run, field: [field.value]


def _parameters(names: Expressions) -> Callable[[Run, Field], Sequence[str]]:
    def values(run: Run, field: Field) -> Sequence[str]:
        found = parse_structured(field.unfolded).parameters
        return [found[name.lower()] for name in names.expand(run) if name.lower() in found]

    return values


def _plain(run: Run, names: Sequence[str]) -> Fields:
    return run.message.keyed(names)


def _mime(given: Given) -> Find:
    """Look in the part that foreverypart is at, or the message; with :anychild below it too."""
    any_child = given.has("anychild")

    def select(run: Run, names: Sequence[str]) -> list[Field]:
        part = run.part or run.root
        parts = part.walk() if any_child else [part]
        return [field for one in parts for name in names for field in one.named(name)]

    return select


def _pick(given: Given, builder: Builder) -> Callable[[Fields], Fields] | None:
    index, last = builder.number(given, "index"), given.has("last")
    if last and index is None:
        builder.error(given.tags["last"], "':last' needs ':index' beside it")
    if index is None:
        return None
    if index == 0:
        builder.error(given.tags["index"], "':index' counts from 1")
    if last:
        return lambda fields: fields[::-1][index - 1 : index]
    return lambda fields: fields[index - 1 : index]
