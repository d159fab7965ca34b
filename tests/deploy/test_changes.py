from __future__ import annotations

import re
from pathlib import Path

from gateway.cli import commands

CHANGES = Path(__file__).parents[2] / "deploy" / "CHANGES.md"


def test_every_release_has_its_three_sections() -> None:
    releases = re.split(r"^## ", CHANGES.read_text("utf-8"), flags=re.MULTILINE)[1:]
    for release in releases:
        sections = re.findall(r"^### (.+)$", release, re.MULTILINE)
        assert sections == ["New", "Fixed", "Before you upgrade"]


def test_every_noun_that_it_announces_is_there() -> None:
    announced = re.findall(r"`gateway (\w+)", CHANGES.read_text("utf-8"))
    assert set(announced) <= commands.WORDS
