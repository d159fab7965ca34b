"""Flags and tags of a message (RFC 5232)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.sieve.checker import Builder
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Command, Run, Test
from gateway.sieve.signature import Given, Kind, Positional, Signature, Tagged, command, test
from gateway.sieve.strings import Expressions, is_identifier
from gateway.sieve.syntax import Argument, Text

FLAGS = Tagged("flags", Kind.TEXTS, capability="imap4flags", help="With these flags and tags.")
_SYSTEM = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
_SYSTEM_BY_KEY = {flag.lower(): flag for flag in _SYSTEM}
_NOT_IN_KEYWORDS = frozenset('(){%*"\\]')


def given_flags(given: Given, builder: Builder) -> Callable[[Run], Sequence[str] | None]:
    """Return what gives the flags of `:flags`; None stands for the current ones."""
    argument = given.tags.get("flags")
    if argument is None:
        return lambda run: None
    return builder.texts(argument).prepared(split_flags)


def split_flags(values: Iterable[str]) -> list[str]:
    """Return each valid flag once; a string may hold several (RFC 5232 §2)."""
    found: dict[str, str] = {}
    for value in values:
        for flag in value.split():
            if is_flag(flag):
                found.setdefault(flag.lower(), _SYSTEM_BY_KEY.get(flag.lower(), flag))
    return list(found.values())


def is_flag(flag: str) -> bool:
    """Whether it is a system flag that may be set, or a keyword (RFC 9051 §9)."""
    if flag.startswith("\\"):
        return flag.lower() in _SYSTEM_BY_KEY
    return bool(flag) and not any(
        c <= " " or c == "\x7f" or c in _NOT_IN_KEYWORDS for c in flag
    )


def _set(old: Sequence[str], new: Sequence[str]) -> list[str]:
    return [*new]


def _add(old: Sequence[str], new: Sequence[str]) -> list[str]:
    known = {flag.lower() for flag in old}
    return [*old, *(flag for flag in new if flag.lower() not in known)]


def _remove(old: Sequence[str], new: Sequence[str]) -> list[str]:
    gone = {flag.lower() for flag in new}
    return [flag for flag in old if flag.lower() not in gone]


_HELP = {
    "setflag": "Give the message these flags and tags, and no others.",
    "addflag": "Give the message more flags and tags.",
    "removeflag": "Take flags and tags from the message.",
}
_CHANGES = {"setflag": _set, "addflag": _add, "removeflag": _remove}


def changing(name: str, *, capability: str = "imap4flags") -> Signature:
    """Return the signature of `setflag`, `addflag` or `removeflag`."""
    change = _CHANGES[name]

    def build(given: Given, builder: Builder) -> Command:
        flags = builder.texts(given.positionals[-1])
        _warn_invalid(flags.constants or (), given.positionals[-1], builder)
        given_by = flags.prepared(split_flags)
        if len(given.positionals) == 1:

            def run_change(run: Run) -> None:
                run.flags = change(run.flags, given_by(run))

            return run_change
        variable = _variable_name(given.positionals[0], builder)

        def run_change_variable(run: Run) -> None:
            new = change(split_flags([run.variable(variable)]), given_by(run))
            stranger = variable in run.strangers or flags.has_stranger(run)
            run.set_variable(variable, " ".join(new), stranger=stranger)

        return run_change_variable

    return command(
        name,
        build,
        help=_HELP[name],
        capability=capability,
        positionals=(Positional("variable", Kind.TEXT), Positional("flags", Kind.TEXTS)),
        optional=1,
    )


def _warn_invalid(values: Sequence[str], place: Argument, builder: Builder) -> None:
    for flag in (flag for value in values for flag in value.split()):
        if not is_flag(flag):
            builder.warn(place, f"'{flag}' is not a flag that can be set; it is ignored")


def _variable_name(argument: Argument, builder: Builder) -> str:
    name = argument.value.lower() if isinstance(argument, Text) else ""
    builder.need("variables", argument)
    if not is_identifier(name):
        builder.error(argument, f"'{name}' is not the name of a variable")
    builder.declare(name, argument)
    return builder.slot(name)


class _Words(Expressions):
    """Keys of which each may hold several flags (RFC 5232 §2)."""

    def __init__(self, keys: Expressions) -> None:
        super().__init__(keys.items)
        if self.constants is not None:
            self.constants = _words(self.constants)

    def expand(self, run: Run) -> tuple[str, ...]:
        """Return the flags, one by one."""
        return _words(super().expand(run))


def _words(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in value.split() or [""])


def _build_hasflag(given: Given, builder: Builder) -> Test:
    keys = builder.texts(given.positionals[-1])
    words = _Words(keys) if not (given.has("count") or given.has("value")) else keys
    match = compile_match(given, builder, keys=words)
    if len(given.positionals) == 1:
        return lambda run: match(run, run.flags)
    items = given.positionals[0]
    names = [
        _variable_name(one, builder)
        for one in ((items,) if isinstance(items, Text) else getattr(items, "items", ()))
    ]
    return lambda run: match(run, split_flags([run.variable(name) for name in names]))


SIGNATURES = (
    *map(changing, _CHANGES),
    test(
        "hasflag",
        _build_hasflag,
        help="Compare the flags and tags of the message with keys.",
        capability="imap4flags",
        tags=COMPARISON,
        positionals=(Positional("variables", Kind.TEXTS), Positional("flags", Kind.TEXTS)),
        optional=1,
    ),
)
