"""gateway.conf (TOML) -> settings; a wrong or unknown key is refused with its place."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

from gateway.config.faults import find_faults
from gateway.config.settings import ListenerSettings, ModelSettings, Settings
from gateway.mail.schema import SchemaError, read_table, unknown_key

KEY_NAMES = {"alerts": {"from": "sender"}}
"""Keys whose field is called otherwise, by section."""

NUL = re.compile(r"\\(u0000|U00000000)")
MODELS = "models"  # sections of a name each
SECTIONS = {
    one.name: one for one in dataclasses.fields(Settings) if one.name not in ("path", MODELS)
}


def load_settings(path: Path) -> Settings:
    """Return the settings of the file; raises ConfigError with file, section and key."""
    table = load_toml(path)
    sections: dict[str, Any] = {}
    for name, section in table.items():
        if name not in SECTIONS and name != MODELS:
            known = [*SECTIONS, MODELS]
            sentence = _where_it_belongs(name) or unknown_key(name, known, thing="section")
            raise ConfigError(f"{path}: {sentence}")
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name}: expects a section: write [{name}]")
        read = _read_models if name == MODELS else partial(_read_section, name=name)
        sections[name] = read(path, section=section)
    settings = Settings(path=path.resolve(), **sections)
    _check(settings)
    return settings


def load_toml(path: Path) -> dict[str, Any]:
    """Return the table of a TOML file; raises ConfigError with file and line.

    The mark that some editors write in front of a file is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_toml_sentence(str(error))}") from error
    if _has_nul(table):  # no path, host or password may
        lines = enumerate(text.split("\n"), 1)
        at = next(number for number, line in lines if NUL.search(line))
        raise ConfigError(f"{path}: line {at}: a text holds the character U+0000: take it out")
    return table


def _has_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_nul, (*value, *value.values())))
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


class ConfigError(Exception):
    """A file of the operator that cannot be used: says which, where, and what to do."""


def _read_section(path: Path, *, name: str, section: dict[str, Any]) -> Any:
    cls = type(SECTIONS[name].default)
    given: dict[str, Any] = {}
    try:
        if name == "submission" and "listeners" in section:
            given["listeners"] = _read_listeners(section["listeners"])
            section = {key: value for key, value in section.items() if key != "listeners"}
        return read_table(cls, section, given=given, names=KEY_NAMES.get(name))
    except SchemaError as error:
        sentence = str(error)
        if error.key not in _keys_of(name) and (belongs := _where_it_belongs(error.key)):
            sentence = belongs
        raise ConfigError(f"{path}: [{name}] {sentence}") from error


def _read_models(path: Path, section: dict[str, Any]) -> dict[str, ModelSettings]:
    models = {}
    for name, table in section.items():
        where = f"{path}: [{MODELS}.{name}]"
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: [{MODELS}] {name}: give it a section: [{MODELS}.NAME]")
        try:
            models[name] = read_table(ModelSettings, table)
        except SchemaError as error:
            raise ConfigError(f"{where} {error}") from error
    return models


def _keys_of(section: str) -> set[str]:
    cls: Any = type(SECTIONS[section].default)
    return {one.name for one in dataclasses.fields(cls)}


def _where_it_belongs(key: str) -> str | None:
    """Return the sentence for a key that another section has, None when none has it."""
    sections = [f"[{name}]" for name in SECTIONS if key in _keys_of(name)]
    return f"'{key}' belongs in {' or '.join(sections)}" if sections else None


def _read_listeners(listeners: Any) -> tuple[ListenerSettings, ...]:
    if not isinstance(listeners, list) or not all(isinstance(one, dict) for one in listeners):
        raise SchemaError("listeners", "expects tables: write [[submission.listeners]]")
    try:
        return tuple(read_table(ListenerSettings, one) for one in listeners)
    except SchemaError as error:
        raise SchemaError(f"listeners: {error.key}", error.message) from error


def _check(settings: Settings) -> None:
    """Refuse what has the right type but cannot work."""
    for sentence in find_faults(settings):
        raise ConfigError(f"{settings.path}: {sentence}")


def _toml_sentence(text: str) -> str:
    """`Expected '=' (at line 3, column 5)` -> `line 3: Expected '=' (column 5)`."""
    what, _, where = text.partition(" (at line ")
    if not where:
        return text
    line, _, column = where.rstrip(")").partition(", ")
    if what.startswith("Illegal character '\\n'"):
        what = "A text in quotes has no end on this line"
    return f"line {line}: {what} ({column})"
