"""Frozen values <-> JSON, for the columns that hold a whole value."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from datetime import date, datetime
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


def write(value: Any) -> str:
    """Return a dataclass as JSON; fields at their default are left out."""
    return json.dumps(_plain(value), ensure_ascii=True)


def read(cls: type[T], text: str) -> T:
    """Return the dataclass that `write` wrote; a field of an older release has its default."""
    return typing.cast("T", _build(cls, json.loads(text)))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if getattr(value, field.name) != field.default
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


def _build(hint: Any, value: Any) -> Any:
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


def _build_class(hint: type[Any], value: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return hint(**{key: _build(hints[key], one) for key, one in value.items()})
    if issubclass(hint, Enum):
        return hint(value)
    if issubclass(hint, datetime | date):
        return hint.fromisoformat(value)
    return value
