from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([\d, ]+) \| ", re.MULTILINE)
NUMBERS = [
    number
    for row in ROW.findall((ROOT / "README.md").read_text("utf-8"))
    for number in row.split(", ")
]
CODE = "".join(path.read_text("utf-8") for path in (ROOT / "gateway").rglob("*.py"))


@pytest.mark.parametrize("number", NUMBERS)
def test_a_standard_that_readme_names_is_named_where_it_is_applied(number: str) -> None:
    assert re.search(rf"RFC {number}\b", CODE)
