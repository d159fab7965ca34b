"""What an extension declares of a command or test; the checker reads nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from gateway.sieve.syntax import Argument, Call, Number, Text, Texts

if TYPE_CHECKING:
    from gateway.sieve.checker import Builder


class Kind(Enum):
    """The kind of an argument; a single string will do for a list."""

    TEXT = "a string"
    TEXTS = "a string list"
    NUMBER = "a number"

    def accepts(self, argument: Argument) -> bool:
        """Whether the argument is of this kind."""
        match self:
            case Kind.TEXT:
                return isinstance(argument, Text)
            case Kind.TEXTS:
                return isinstance(argument, Text | Texts)
            case Kind.NUMBER:
                return isinstance(argument, Number)


class Tests(Enum):
    """How many tests a command or test takes."""

    NONE = 0
    ONE = 1
    LIST = 2


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag: `value` is what must follow it; of one `group` only one may be there."""

    name: str
    value: Kind | None = None
    group: str = ""
    capability: str = ""
    help: str = ""  # one line for people


@dataclass(frozen=True, slots=True)
class Positional:
    """A positional argument and what it is called in errors."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Signature:
    """A command or test: its arguments, and how to make a closure of a call."""

    name: str
    build: Callable[[Given, Builder], Any]  # a Command or a Test
    help: str = ""  # one line for people
    capability: str = ""  # empty: built in
    is_test: bool = False
    is_command: bool = True
    tags: tuple[Tagged, ...] = ()
    positionals: tuple[Positional, ...] = ()
    optional: int = 0  # so many positionals may be left out, from the front
    optional_last: bool = False  # or from the back
    tests: Tests = Tests.NONE
    block: bool = False


def command(name: str, build: Callable[[Given, Builder], Any], **rest: Any) -> Signature:
    """Return the signature of a command."""
    return Signature(name, build, **rest)


def test(name: str, build: Callable[[Given, Builder], Any], **rest: Any) -> Signature:
    """Return the signature of a test."""
    return Signature(name, build, is_test=True, is_command=False, **rest)


@dataclass(slots=True)
class Given:
    """The arguments of one call, sorted by what its signature says."""

    call: Call
    signature: Signature
    tags: dict[str, Argument]  # name of the tag -> what followed it, else the tag itself
    positionals: list[Argument]
    as_test: bool = False  # of what may be a command, too

    def has(self, tag: str) -> bool:
        """Whether the tag is there."""
        return tag in self.tags

    def chosen(self, group: str) -> str | None:
        """Return the tag of the group that is there, or None."""
        for tagged in self.signature.tags:
            if tagged.group == group and tagged.name in self.tags:
                return tagged.name
        return None
