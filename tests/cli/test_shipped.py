from __future__ import annotations

from gateway.cli import shipped
from gateway.config import load_settings


def test_the_files_that_we_ship_are_found() -> None:
    assert load_settings(shipped.example_config())
    assert list(shipped.policies().rglob("*.sieve"))


def test_no_shipped_policy_that_names_an_address_is_switched_on() -> None:
    for path in shipped.policies().rglob("*.sieve"):
        lines = (line.partition("#")[0] for line in path.read_text("utf-8").splitlines())
        assert not any("@" in line for line in lines), path
