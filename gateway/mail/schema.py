"""A TOML table -> a frozen value, or one sentence with the key and the nearest known one.

The configuration and the tenant files are read by this one way: the dataclass is the schema.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from enum import Enum
from typing import Any, NewType, TypeVar

T = TypeVar("T")

Size = NewType("Size", int)
"""A number of bytes, written as a whole number or as "25MB" (powers of 1024)."""

UNITS_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = timedelta(days=36_500)  # so that there is a date before and behind it
UNITS_BYTES = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


class SchemaError(Exception):
    """A key or value that the schema does not know; says which, and the nearest known."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}" if key else message)
        self.key = key
        self.message = message


def read_table(
    cls: type[T],
    table: Mapping[str, Any],
    *,
    given: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> T:
    """Return `table` as an instance of the dataclass `cls`.

    `given` are fields that do not stand in the table; `names` maps a key to the field that
    is called otherwise. Raises SchemaError for an unknown key, a wrong type, a missing key.
    """
    given, names = given or {}, names or {}
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values = dict(given)
    keys = {_key_of(name, names): name for name in fields if name not in given}
    for key, value in table.items():
        if key not in keys:
            raise SchemaError(key, unknown_key(key, keys))
        values[keys[key]] = _convert(hints[keys[key]], value, key)
    for key, name in keys.items():
        if name not in values and _is_required(fields[name]):
            raise SchemaError(key, "this key is missing")
    return cls(**values)


def unknown_key(key: str, known: typing.Iterable[str], *, thing: str = "key") -> str:
    """Return the sentence for an unknown key, with the nearest known one."""
    names = sorted(known)
    if not names:
        return f"there is no {thing} '{key}', nor any other"
    nearest = get_close_matches(key, names, n=1, cutoff=0.6)
    nearest = nearest or [name for name in names if len(key) > 1 and key in name.split("-")]
    hint = f"; did you mean '{nearest[0]}'?" if nearest else f" (known: {', '.join(names)})"
    return f"there is no {thing} '{key}'{hint}"


def parse_duration(text: str) -> timedelta:
    """Return the duration of a whole number and s, m, h or d, at most LONGEST.

    Raises ValueError.
    """
    found = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if not found:
        raise ValueError(f"'{text}' is not a duration: write a whole number and s, m, h or d")
    seconds = int(found[1]) * UNITS_SECONDS[found[2]]
    if seconds > LONGEST.total_seconds():
        sentence = f"is longer than a hundred years: write {LONGEST.days}d or less"
        raise ValueError(f"'{text}' {sentence}")
    return timedelta(seconds=seconds)


def parse_day(text: str) -> date:
    """Return the day of `2026-11-01`; raises ValueError."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"'{text}' is not a day: write one such as 2026-11-01") from error


def parse_secret(text: str) -> str:
    """Return a secret as it is meant: without what editors and copying put around it."""
    return text.removeprefix("\ufeff").strip()


def parse_size(text: str) -> Size:
    """Return the bytes of `25MB` and the like; raises ValueError."""
    found = re.fullmatch(r"(\d+)\s*([KMGT]?B?)", text.strip().upper())
    if not found or found[2] not in UNITS_BYTES:
        raise ValueError(f"'{text}' is not a size: write a whole number and KB, MB or GB")
    return Size(int(found[1]) * UNITS_BYTES[found[2]])


def parse_limit(text: str) -> tuple[int, float]:
    """Return (10, 600.0) for "10/10m", ten in ten minutes; raises ValueError."""
    found = re.fullmatch(r"([1-9]\d*)/(\S+)", text.strip())
    if not found:
        raise ValueError(f"'{text}' is not a limit: write a number and a time, such as 10/10m")
    return int(found[1]), parse_duration(found[2]).total_seconds()


def _key_of(name: str, names: Mapping[str, str]) -> str:
    return next((key for key, field in names.items() if field == name), name)


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _convert(hint: Any, value: Any, key: str) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(one for one in typing.get_args(hint) if one is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        return _convert_list(typing.get_args(hint)[0], value, key)
    if hint is Size:
        return _convert_size(value, key)
    if hint is timedelta:
        return _parsed(parse_duration, value, key)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _convert_word(hint, value, key)
    return _convert_plain(hint, value, key)


def _convert_list(hint: Any, value: Any, key: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise SchemaError(key, 'expects a list: ["..."]')
    return tuple(_convert(hint, one, key) for one in value)


def _convert_size(value: Any, key: str) -> Size:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Size(value)
    return Size(_parsed(parse_size, value, key))


def _parsed(parse: typing.Callable[[str], Any], value: Any, key: str) -> Any:
    try:
        return parse(str(value))
    except ValueError as error:
        raise SchemaError(key, str(error)) from error


def _convert_word(hint: type[Enum], value: Any, key: str) -> Enum:
    words = [str(one.value) for one in hint]
    folded = str(value).lower()
    if folded in words:
        return hint(folded)
    if folded in ("ssl", "ssl/tls", "smtps", "imaps") and "tls" in words:
        raise SchemaError(key, f"there is no '{value}'; did you mean 'tls'?")
    raise SchemaError(key, unknown_key(str(value), words, thing="word"))


def _convert_plain(hint: Any, value: Any, key: str) -> Any:
    wanted = {
        str: "text in quotes",
        int: "a whole number",
        bool: "true or false",
        date: "a day such as 2026-11-01",
    }
    if hint is date and isinstance(value, str):
        return _parsed(parse_day, value, key)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    fits = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    if hint is date and isinstance(value, datetime):
        fits = False
    if not fits:
        raise SchemaError(key, f"expects {wanted.get(hint, 'a number')}")
    return value
