"""Changing the header (RFC 5293): addheader and deleteheader."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sieve.checker import Builder
from gateway.sieve.comparators import octets
from gateway.sieve.encoded_words import encode_words
from gateway.sieve.interface import HeaderEdit, Limits
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Command, Run, RunError
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command
from gateway.sieve.strings import Expression
from gateway.sieve.syntax import Argument


def is_field_name(name: str) -> bool:
    """Whether it is a field name (RFC 5322 §2.2)."""
    return bool(name) and all("!" <= c <= "~" and c != ":" for c in name)


def _build_addheader(given: Given, builder: Builder) -> Command:
    name, value = builder.text(given.positionals[0]), builder.text(given.positionals[1])
    last = given.has("last")
    _check_name(name, given.positionals[0], builder, adding=True)
    if value.constant is not None:
        try:
            _check_value(value.constant, builder.limits)
        except RunError as error:
            builder.error(given.positionals[1], str(error))

    def addheader(run: Run) -> None:
        field, text = _valid_name(name.expand(run)), value.expand(run)
        _check_value(text, run.limits)
        if is_protected(field, run.limits, adding=True):
            run.warn(f"addheader: the header '{field}' must not be changed")
            return
        if sum(edit.value is not None for edit in run.edits) >= run.limits.added_headers:
            raise RunError(f"more than {run.limits.added_headers} headers added")
        run.edit(HeaderEdit(name=field, value=encode_words(text, controls=True), last=last))

    return addheader


def _build_deleteheader(given: Given, builder: Builder) -> Command:
    name = builder.text(given.positionals[0])
    index, last = builder.number(given, "index"), given.has("last")
    keys = builder.texts(given.positionals[1]) if len(given.positionals) > 1 else None
    match = compile_match(given, builder, keys=keys or builder.texts(given.positionals[0]))
    _check_name(name, given.positionals[0], builder, adding=False)
    if last and index is None:
        builder.error(given.tags["last"], "':last' needs ':index' beside it")

    def deleteheader(run: Run) -> None:
        field = _valid_name(name.expand(run))
        if is_protected(field, run.limits, adding=False):
            run.warn(f"deleteheader: the header '{field}' must not be changed")
            return
        found = run.message.named([field])
        chosen: Sequence[int] = range(1, len(found) + 1)
        if index is not None:
            at = len(found) + 1 - index if last else index
            chosen = range(at, at + 1) if 0 < at <= len(found) else range(0)
        if keys is not None:
            chosen = [at for at in reversed(chosen) if match(run, [found[at - 1].value])]
        run.delete_fields(field, frozenset(chosen))

    return deleteheader


def is_protected(name: str, limits: Limits, *, adding: bool) -> bool:
    """Whether the header must not be added, or not be deleted, by a script."""
    names = limits.unaddable_headers if adding else limits.undeletable_headers
    key = name.lower()
    return key in names or any(key.startswith(one) for one in limits.protected_prefixes)


def _check_name(name: Expression, place: Argument, builder: Builder, *, adding: bool) -> None:
    if name.constant is None:
        return
    if not is_field_name(name.constant):
        builder.error(place, _bad_name(name.constant))
    elif is_protected(name.constant, builder.limits, adding=adding):
        builder.warn(
            place, f"the header '{name.constant}' must not be changed; nothing is done"
        )


def _bad_name(name: str) -> str:
    return f"the field name '{name[:80]}' is invalid"


def _valid_name(name: str) -> str:
    if not is_field_name(name):
        raise RunError(_bad_name(name))
    return name


def _check_value(value: str, limits: Limits) -> None:
    """Raise RunError for a value that no header can hold."""
    if "\0" in value:
        raise RunError(f"the value '{value[:40]!a}' of the header is invalid")
    if len(octets(value)) > limits.added_header_bytes:
        raise RunError(f"the header's value is longer than {limits.added_header_bytes} bytes")


SIGNATURES = (
    command(
        "addheader",
        _build_addheader,
        help="Add a header field.",
        capability="editheader",
        tags=(Tagged("last", help="Below the other fields, not above them."),),
        positionals=(Positional("field name", Kind.TEXT), Positional("value", Kind.TEXT)),
    ),
    command(
        "deleteheader",
        _build_deleteheader,
        help="Remove header fields.",
        capability="editheader",
        tags=(
            Tagged("index", Kind.NUMBER, help="Only the field of this number."),
            Tagged("last", help="Count from the last one."),
            *COMPARISON,
        ),
        positionals=(
            Positional("field name", Kind.TEXT),
            Positional("value patterns", Kind.TEXTS),
        ),
        optional=1,
        optional_last=True,
    ),
)
