"""A test per module: one of its name in the mirrored folder, or one that imports it.

A module that was split off for its size may be tested through the one that uses it: a module
of the same room that has a test itself. An `__init__.py` that holds a docstring alone needs
none. The command line is tested as a process, by tests that have the names of its nouns;
the app, which joins all rooms, by the journeys.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = [path for path in (ROOT / "tests").rglob("test_*.py") if "house" not in path.parts]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imported_by(path: Path) -> set[str]:
    """Return every `gateway` module that a file names in an import."""
    names: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{one.name}" for one in node.names)
    return {name for name in names if name.startswith("gateway")}


def modules() -> dict[str, Path]:
    """Return the modules with code in them, by their names."""
    found = sorted((ROOT / "gateway").rglob("*.py"))
    return {name_of(path): path for path in found if len(parsed(path).body) > 1}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def has_own_test(name: str) -> bool:
    room, _, stem = name.removeprefix("gateway.").rpartition(".")
    mirrored = ROOT / "tests" / room.replace(".", "/") / f"test_{stem.strip('_')}.py"
    return name in IMPORTED or mirrored.exists()


def room_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


BY_JOURNEYS = "gateway.app"
IMPORTED = {name for path in TESTS for name in imported_by(path)}
MODULES = modules()
TESTED = {name for name in MODULES if has_own_test(name)}


@pytest.mark.parametrize("name", [one for one in MODULES if room_of(one) != BY_JOURNEYS])
def test_a_module_has_a_test(name: str) -> None:
    users = {one for one in TESTED if name in imported_by(MODULES[one])}
    through = {one for one in users if room_of(one) == room_of(name)}
    assert name in TESTED or through, f"{name} is tested by nothing"


def test_the_app_has_its_journeys() -> None:
    assert [path for path in TESTS if path.parent.name == "journeys"]
