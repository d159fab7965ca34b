"""The syntax tree: what was written and where; nothing is known of its meaning yet."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SHOWN = 500  # characters of a call in the trace


@dataclass(frozen=True, slots=True)
class Text:
    """A string; `at` and `width` say where it stands in the source."""

    at: int
    width: int
    value: str


@dataclass(frozen=True, slots=True)
class Texts:
    """A string list in brackets."""

    at: int
    width: int
    items: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A number, its quantifier already multiplied in."""

    at: int
    width: int
    value: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A tagged argument, its name in lower case and without the colon."""

    at: int
    width: int
    name: str


Argument = Text | Texts | Number | Tag


@dataclass(frozen=True, slots=True)
class Call:
    """A command or a test: RFC 5228 §8.2 gives both the same form."""

    at: int
    name: str  # lower case
    arguments: tuple[Argument, ...] = ()
    tests: tuple[Call, ...] = ()
    test_list: bool = False  # the tests stood in parentheses
    block: tuple[Call, ...] | None = None

    @property
    def width(self) -> int:
        """How many characters the name has."""
        return len(self.name)


def shown(call: Call) -> str:
    """Return a call as one line of a trace."""
    if call.name in ("if", "elsif", "not", "allof", "anyof"):
        return call.name
    words = " ".join([call.name, *map(_shown_argument, call.arguments)])
    return words if len(words) <= MAX_SHOWN else words[: MAX_SHOWN - 3] + "..."


def _shown_argument(argument: Argument) -> str:
    match argument:
        case Tag():
            return f":{argument.name}"
        case Number():
            return str(argument.value)
        case Text():
            value = argument.value if len(argument.value) <= 60 else argument.value[:57] + "..."
            return '"' + value.replace("\r\n", " ") + '"'
        case Texts():
            return "[" + ", ".join(map(_shown_argument, argument.items)) + "]"
