"""Scripts in scripts (RFC 6609): include, return, global."""

from __future__ import annotations

from contextlib import suppress

from gateway.sieve.checker import Builder, Namespace, variable_reference
from gateway.sieve.diagnostics import Source
from gateway.sieve.runtime import Command, Run, StopScript
from gateway.sieve.signature import Given, Kind, Positional, Signature, Tagged, command
from gateway.sieve.strings import Reference, is_identifier
from gateway.sieve.syntax import Argument, Text, Texts

_FORBIDDEN = frozenset("/\\\u2028\u2029")
Key = tuple[str, str]  # location and name


class _Return(Exception):
    """`return`: go on behind the include."""


def _build_include(given: Given, builder: Builder) -> Command:
    place = given.positionals[0]
    name = builder.constant(place, "the name of an included script")
    if name is None:
        return _nothing
    location = given.chosen("location") or "personal"
    if not is_script_name(name):
        builder.error(place, f"{name[:60]!a} is not the name of a script")
        return _nothing
    key, once = (location, name), given.has("once")
    if key in builder.unit.include_stack:
        if not once:
            builder.error(place, f"'{name}' includes itself")
        return _nothing
    block = _compiled(key, given, builder)

    def include(run: Run) -> None:
        if once and key in run.included:
            return
        run.included.add(key)
        block(run)

    return include


def _included(block: Command, file: str) -> Command:
    """Return what runs a file's commands with variables and match values of their own."""

    def run_included(run: Run) -> None:
        variables, matches, outer = run.variables, run.matches, run.file
        strangers = {slot for slot in run.strangers if slot in variables}
        run.variables, run.matches, run.file = {}, (), file
        run.strangers -= strangers
        with suppress(_Return):
            block(run)
        run.strangers -= run.variables.keys()
        run.strangers |= strangers
        run.variables, run.matches, run.file = variables, matches, outer

    return run_included


def _compiled(key: Key, given: Given, builder: Builder) -> Command:
    """Return the commands of an included script; each is compiled once."""
    unit, place = builder.unit, given.positionals[0]
    if key in unit.includes:
        return unit.includes[key]
    location, name = key
    limits = unit.limits
    if len(unit.include_stack) >= limits.include_depth:
        builder.error(place, f"includes are nested deeper than {limits.include_depth}")
        return _nothing
    if len(unit.includes) >= limits.include_files:
        builder.error(place, f"more than {limits.include_files} scripts are included")
        return _nothing
    found = builder.loader.include(location, name)
    if found is None:
        if not given.has("optional"):
            known = builder.loader.names("include") or ()
            builder.error(
                place,
                f"there is no {location} script '{name}'{builder.source.suggest(name, known)}",
            )
        return _nothing
    source = Source(found.text, found.file)
    source.is_guarded = given.call.at in builder.source.guarded_includes
    unit.include_stack.append(key)
    block = _included(unit.compile(source), found.file)
    unit.include_stack.pop()
    unit.includes[key] = block
    _take_over(source, name, place, builder)
    return block


def _take_over(source: Source, name: str, place: Argument, builder: Builder) -> None:
    """Report the faults of the included script with those of the including one."""
    builder.source.warnings.extend(source.warnings)
    if source.errors:
        builder.error(place, f"the included script '{name}' does not compile")
        builder.source.take(source.errors)


def is_script_name(name: str) -> bool:
    """Whether it can be the name of a script (RFC 5804 §1.6)."""
    return 0 < len(name) <= 128 and not any(
        c in _FORBIDDEN or ord(c) < 32 or 127 <= ord(c) < 160 for c in name
    )


def _build_return(given: Given, builder: Builder) -> Command:
    inside = bool(builder.unit.include_stack)

    def leave(run: Run) -> None:
        raise _Return if inside else StopScript

    return leave


def _build_global(given: Given, builder: Builder) -> Command:
    argument = given.positionals[0]
    builder.need("variables", given.call)
    items = argument.items if isinstance(argument, Texts) else (argument,)
    for item in items:
        name = item.value.lower() if isinstance(item, Text) else ""
        if not is_identifier(name):
            builder.error(item, f"'{name[:60]}' is not the name of a variable")
        elif name in builder.set_names and name not in builder.global_names:
            builder.error(item, f"the variable '{name}' is already in use here")
        else:
            builder.global_names.add(name)
            builder.declare(name, item)
    return _nothing


def global_variable(builder: Builder, name: str) -> Reference | None:
    """Return `${global.name}`."""
    return variable_reference(name, f"global.{name}") if is_identifier(name) else None


def _nothing(run: Run) -> None:
    """`global` speaks to the compiler; a missing optional script has nothing to run."""


def _declaring(name: str) -> Signature:
    return command(
        name,
        _build_global,
        help="Share variables with the other scripts of the chain.",
        capability="include",
        positionals=(Positional("variables", Kind.TEXTS),),
    )


GLOBAL: Namespace = global_variable
SIGNATURES = (
    command(
        "include",
        _build_include,
        help="Run another script here.",
        capability="include",
        tags=(
            Tagged("personal", group="location", help="A script of the tenant."),
            Tagged("global", group="location", help="A script of lib/."),
            Tagged("once", help="Not when it was included before."),
            Tagged("optional", help="No error when it is missing."),
        ),
        positionals=(Positional("script", Kind.TEXT),),
    ),
    command("return", _build_return, help="End the included script.", capability="include"),
    _declaring("global"),
    _declaring("import"),  # of drafts before RFC 6609
    _declaring("export"),
)
