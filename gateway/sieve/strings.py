"""Strings with `${...}`: encoded characters (RFC 5228 §2.4.2.4), variables (RFC 5229)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gateway.sieve.runtime import Run, RunError

_IDENTIFIER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
T = TypeVar("T")


class BadText(ValueError):
    """A string that cannot be used; one sentence."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${name}`: `value` looks it up; `stranger` marks text that came from the message."""

    name: str
    value: Callable[[Run], str]
    stranger: Callable[[Run], bool]


@dataclass(frozen=True, slots=True)
class Expression:
    """A string as written: literals and references."""

    parts: tuple[str | Reference, ...]

    @property
    def constant(self) -> str | None:
        """The string, if nothing in it can change from run to run."""
        if any(isinstance(part, Reference) for part in self.parts):
            return None
        return "".join(part for part in self.parts if isinstance(part, str))

    def expand(self, run: Run) -> str:
        """Return the string; raises RunError when it is longer than the limit."""
        if len(self.parts) == 1 and isinstance(self.parts[0], str):
            return self.parts[0]
        value = "".join(
            [part if isinstance(part, str) else part.value(run) for part in self.parts]
        )
        return _checked(value, run.limits.string_bytes)

    def expand_own(self, run: Run) -> str:
        """Return the string; references to a stranger's text stay as they are written.

        Raises RunError when it is longer than the limit.
        """
        if self.constant is not None:
            return self.constant
        value = "".join(
            part
            if isinstance(part, str)
            else "${" + part.name + "}"
            if part.stranger(run)
            else part.value(run)
            for part in self.parts
        )
        return _checked(value, run.limits.string_bytes)

    def has_stranger(self, run: Run) -> bool:
        """Whether it holds text that came from the message."""
        return any(isinstance(part, Reference) and part.stranger(run) for part in self.parts)


def _checked(value: str, most: int) -> str:
    if len(value) * 4 > most and len(value.encode("utf-8", "surrogatepass")) > most:
        raise RunError(f"a string is longer than {most} bytes")
    return value


class Expressions:
    """A string list; a constant one is made once."""

    __slots__ = ("constants", "items")

    def __init__(self, items: Sequence[Expression]) -> None:
        self.items = tuple(items)
        values = [item.constant for item in items]
        found = tuple(value for value in values if value is not None)
        self.constants: tuple[str, ...] | None = found if len(found) == len(items) else None

    def expand(self, run: Run) -> tuple[str, ...]:
        """Return the strings; raises RunError when one is longer than the limit."""
        if self.constants is not None:
            return self.constants
        return tuple(item.expand(run) for item in self.items)

    def prepared(self, change: Callable[[Sequence[str]], T]) -> Callable[[Run], T]:
        """Return what gives `change` of the strings; of constant ones it is made once."""
        if self.constants is None:
            return lambda run: change(self.expand(run))
        ready = change(self.constants)
        return lambda run: ready

    def lowered(self) -> Callable[[Run], Sequence[str]]:
        """Return what gives the strings in lower case."""
        return self.prepared(lambda values: [value.lower() for value in values])

    def has_stranger(self, run: Run) -> bool:
        """Whether one holds text that came from the message."""
        return any(item.has_stranger(run) for item in self.items)


def decode_characters(value: str) -> str:
    """Return `value` with `${hex:...}` and `${unicode:...}` replaced (RFC 5228 §2.4.2.4).

    What does not have that form stays; raises BadText for a character that does not exist.
    """
    if "${" not in value:
        return value
    parts: list[str] = []
    at = 0
    while (start := value.find("${", at)) >= 0:
        end = _end_of(value, start)
        decoded = _encoded(value[start + 2 : end]) if end >= 0 else None
        parts.append(value[at:start])
        parts.append("${" if decoded is None else decoded)
        at = start + 2 if decoded is None else end + 1
    parts.append(value[at:])
    return _joined_octets("".join(parts))


def split_references(value: str) -> list[str | tuple[str]]:
    """Return literals as strings, and each `${name}` as a tuple of its lower-case name.

    What does not have the form of a variable (RFC 5229 §3) stays literal.
    """
    found: list[str | tuple[str]] = []
    at = literal = 0
    while (start := value.find("${", at)) >= 0:
        end = _end_of(value, start)
        name = value[start + 2 : end].lower() if end >= 0 else ""
        if not is_variable_name(name):
            at = start + 2
            continue
        if start > literal:
            found.append(value[literal:start])
        found.append((name,))
        at = literal = end + 1
    if literal < len(value) or not found:
        found.append(value[literal:])
    return found


def _end_of(value: str, start: int) -> int:
    """Return where the `}` of the `${` at `start` stands, or -1: another `${` comes first."""
    following = value.find("${", start + 2)
    return value.find("}", start, following if following >= 0 else len(value))


def is_variable_name(name: str) -> bool:
    """Whether `name` has the form of a variable name, a number or a dotted name."""
    return name.isascii() and (name.isdigit() or all(map(is_identifier, name.split("."))))


def is_identifier(name: str) -> bool:
    """Whether `name`, in lower case, is an identifier (RFC 5228 §8.1)."""
    return bool(name) and not name[0].isdigit() and not set(name) - _IDENTIFIER


def _encoded(inner: str) -> str | None:
    kind, colon, digits = inner.partition(":")
    if not colon:
        return None
    words = digits.split()
    if kind.lower() == "hex":
        return _hex(digits, words)
    if kind.lower() == "unicode" and words and all(map(_is_hex, words)):
        return "".join(map(_character, words))
    return None


def _hex(digits: str, words: list[str]) -> str | None:
    if not words or not all(len(word) <= 2 and _is_hex(word) for word in words):
        return None
    return bytes(int(word, 16) for word in words).decode("latin-1").translate(_TO_OCTET)


_TO_OCTET = {n: 0xDC00 + n for n in range(128, 256)}  # surrogates, until octets are joined


def _joined_octets(value: str) -> str:
    """Make characters of octets that stand next to each other, where they form UTF-8."""
    if value.isascii():
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _is_hex(word: str) -> bool:
    return bool(word) and all(digit in "0123456789abcdefABCDEF" for digit in word)


def _character(word: str) -> str:
    code = int(word, 16) if len(word) <= 32 else 0x110000
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise BadText(f"there is no Unicode character {word[:20]}")
    return chr(code)
