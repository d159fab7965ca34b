from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text("utf-8")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(
        (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
    )
    return loaded


def test_everything_that_is_copied_into_the_container_is_there() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", CONTAINERFILE, re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    assert "deploy/requirements.lock" in names
    assert "README.md" in names
    assert [one for one in names if one != "README.md" and not (ROOT / one).exists()] == []


def test_the_lock_names_a_hash_for_every_package() -> None:
    lock = (ROOT / "deploy" / "requirements.lock").read_text("utf-8")
    packages = re.findall(
        r"^[a-z0-9-]+(?:\[.*\])?==.*\\\n    --hash=sha256:", lock, re.MULTILINE
    )
    assert len(packages) == len(re.findall(r"^[a-z0-9]", lock, re.MULTILINE))
    assert "--require-hashes" in CONTAINERFILE


def test_it_does_not_run_as_root_and_keeps_its_state_in_a_volume() -> None:
    lines = CONTAINERFILE.splitlines()
    assert lines.index("USER gateway") < lines.index("VOLUME /var/lib/gateway")
    assert 'CMD ["serve", "--config", "/etc/gateway/gateway.conf"]' in lines


def test_compose_builds_it_and_keeps_its_state() -> None:
    service = compose()["services"]["gateway"]
    assert service["build"] == {"context": "..", "dockerfile": "deploy/Containerfile"}
    assert "state:/var/lib/gateway" in service["volumes"]
    assert service["cap_drop"] == ["ALL"]
    assert service["stop_grace_period"] == "11m"
    assert "state" in compose()["volumes"]
