"""The demo as a process: every step of the circle, for people and scripts, as README shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from gateway.cli.demo_files import Ports

README = Path(__file__).parents[2] / "README.md"
SHOWN = re.compile(r"<!-- output of: gateway demo --once -->\n```text\n(.*?)```", re.DOTALL)
STEP = re.compile(r"^ *\d+\.\d\d s  (?P<name>\w+) +(?P<sentence>.*)$", re.MULTILINE)
LINK = re.compile(r"^ +http://127\.0\.0\.1:\d+/renew/shop/support%40shop\.", re.MULTILINE)
CHANGES_EACH_TIME = re.compile(r"\b[0-9A-Z]{18}\b|/\S*gateway-\w+")
STEPS = (
    "started", "accepted", "signed", "delivered", "written", "received", "written", "received",
    "answered", "copied",
    "expired", "accepted", "written", "noticed", "waits", "reminded", "renewed", "spent",
    "delivered", "received", "answered",
)  # fmt: skip


def steps_of(text: str) -> list[tuple[str, str]]:
    """Return name and sentence of each step, without what changes each time."""
    found = STEP.finditer(text)
    return [(one["name"], CHANGES_EACH_TIME.sub("...", one["sentence"])) for one in found]


def test_the_demo_leads_through_the_whole_circle_as_readme_shows_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    steps = steps_of(done.stderr)  # people read there what a script does not
    assert [name for name, _ in steps] == list(STEPS)
    (shown,) = SHOWN.findall(README.read_text("utf-8"))
    assert steps == steps_of(shown)
    assert LINK.search(done.stderr)
    assert done.stderr.count("$ gateway log trace") == 3
    assert "$ gateway status" in done.stderr
    assert "Ctrl-C" not in done.stderr  # it is over
    tour = json.loads(done.stdout)
    assert [one["name"] for one in tour["steps"]] == list(STEPS)
    (waits,) = (one for one in tour["steps"] if one["name"] == "waits")
    assert waits["detail"].startswith(f"{tour['messages'][2]} is not bounced")
    seconds = [one["seconds"] for one in tour["steps"]]
    assert seconds == sorted(seconds)
    assert tour["login"]["username"] == "shop.helpdesk"


def test_two_demos_that_start_at_once_listen_on_ports_of_their_own() -> None:
    with Ports.reserve() as first, Ports.reserve() as second:
        ports = [port for one in (first, second) for port in asdict(one).values()]
    assert len(set(ports)) == len(ports)
