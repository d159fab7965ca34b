"""gateway.conf.example names every section and key, and what it shows are the defaults."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.config import ListenerSettings, load_settings
from gateway.config.loading import KEY_NAMES, SECTIONS
from gateway.mail.schema import read_table

EXAMPLE = Path(__file__).parents[2] / "gateway.conf.example"
DEFAULTS: dict[str, Any] = {name: section.default for name, section in SECTIONS.items()}
KEY = re.compile(r"^# (\w+ = .*|\[\[\w.+\]\])$")


def key_of(section: str, field: str) -> str:
    """Return the key of a field, which is called otherwise where Python has the word."""
    names = KEY_NAMES.get(section, {})
    return next((key for key, name in names.items() if name == field), field)


def shown() -> str:
    """Return the example with its commented keys switched on."""
    lines = EXAMPLE.read_text("utf-8").splitlines()
    return "\n".join(found[1] if (found := KEY.match(line)) else line for line in lines)


def test_as_it_is_it_gives_the_defaults() -> None:
    settings = load_settings(EXAMPLE)
    for name, default in DEFAULTS.items():
        assert getattr(settings, name) == default


def test_it_has_every_section_and_no_other() -> None:
    assert set(tomllib.loads(shown())) == set(SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
def test_it_names_every_key_of_a_section_with_its_default(name: str) -> None:
    table: dict[str, Any] = tomllib.loads(shown())[name]
    default = DEFAULTS[name]
    assert set(table) == {key_of(name, one.name) for one in dataclasses.fields(default)}
    listeners = [read_table(ListenerSettings, one) for one in table.pop("listeners", [])]
    assert tuple(listeners) == getattr(default, "listeners", ())
    read = read_table(type(default), table, names=KEY_NAMES.get(name))
    for field in dataclasses.fields(default):
        if (value := getattr(default, field.name)) is not None and field.name != "listeners":
            assert getattr(read, field.name) == value


def test_a_key_without_a_default_says_what_leaving_it_out_means() -> None:
    lines = EXAMPLE.read_text("utf-8").splitlines()
    for name, default in DEFAULTS.items():
        for field in dataclasses.fields(default):
            if getattr(default, field.name) is None:
                key = key_of(name, field.name)
                [line] = _of_section(lines, name, key)
                assert "# left out: " in line, name


def _of_section(lines: list[str], section: str, key: str) -> list[str]:
    """Return the lines of a key within its section: others may have one of that name."""
    begin = lines.index(f"[{section}]") + 1
    ends = [at for at, line in enumerate(lines) if at >= begin and line.startswith("[")]
    return [
        one for one in lines[begin : min(ends, default=None)] if one.startswith(f"# {key} = ")
    ]


def test_switched_on_as_a_whole_it_loads(tmp_path: Path) -> None:
    path = tmp_path / "gateway.conf"
    path.write_text(shown())
    assert load_settings(path).tls.certificate == "/etc/gateway/tls/fullchain.pem"
