"""Frozen values <-> JSON, for the columns that hold a whole value."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")
MOST_CLASSES = 256  # that are remembered
_AS_THEY_ARE = frozenset({str, int, float, bool, types.NoneType, Any})


def write(value: Any) -> str:
    """Return a dataclass as JSON; fields at their default are left out."""
    return json.dumps(_plain(value), ensure_ascii=True)


def read(cls: type[T], text: str) -> T:
    """Return the dataclass that `write` wrote; a field of an older release has its default."""
    return typing.cast("T", _build(cls, json.loads(text)))


def _plain(value: Any) -> Any:
    kind: Any = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if (fields := _fields(kind)) is not None:
        return {
            name: _plain(one)
            for name, default in fields
            if (one := getattr(value, name)) != default
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


@lru_cache(maxsize=MOST_CLASSES)
def _fields(cls: Any) -> tuple[tuple[str, Any], ...] | None:
    """Return name and default of each field of a dataclass or named tuple, else None."""
    if dataclasses.is_dataclass(cls):
        return tuple((one.name, one.default) for one in dataclasses.fields(cls))
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        defaults = cls._field_defaults
        return tuple((name, defaults.get(name, dataclasses.MISSING)) for name in cls._fields)
    return None


@lru_cache(maxsize=MOST_CLASSES)
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(hint: Any, value: Any) -> Any:
    if hint in _AS_THEY_ARE:
        return value
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        inner = [one for one in typing.get_args(hint) if one is not types.NoneType]
        return None if value is None else _build(inner[0], value)
    if origin is tuple:
        return tuple(_build(typing.get_args(hint)[0], one) for one in value)
    if origin is dict:
        return {key: _build(typing.get_args(hint)[1], one) for key, one in value.items()}
    if isinstance(hint, type):
        return _build_class(hint, value)
    return value


def _build_class(hint: Any, value: Any) -> Any:
    if _fields(hint) is not None:
        hints = _hints(hint)
        return hint(**{key: _build(hints[key], one) for key, one in value.items()})
    if issubclass(hint, Enum):
        return hint(value)
    if issubclass(hint, datetime | date):
        return hint.fromisoformat(value)
    return value
