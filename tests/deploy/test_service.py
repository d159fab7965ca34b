from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.need import need

UNIT = Path(__file__).parents[2] / "deploy" / "gateway.service"


def service() -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its docs say
    parser.read_string(UNIT.read_text("utf-8"))
    return dict(parser["Service"])


def test_it_runs_the_foreground_verb_and_waits_for_sessions_past_the_dot() -> None:
    """RFC 5321 §4.5.3.2.6: the reply to the final dot may take ten minutes."""
    unit = service()
    assert unit["ExecStart"].endswith("gateway serve --config /etc/gateway/gateway.conf")
    assert unit["TimeoutStopSec"] == "11min"


def test_it_may_use_low_ports_and_nothing_else_of_roots() -> None:
    unit = service()
    assert (
        unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == "CAP_NET_BIND_SERVICE"
    )
    assert (unit["DynamicUser"], unit["NoNewPrivileges"], unit["ProtectSystem"]) == (
        "yes", "yes", "strict",
    )  # fmt: skip


@pytest.mark.servers
def test_systemd_understands_it(tmp_path: Path) -> None:
    need("systemd-analyze")
    unit = tmp_path / UNIT.name
    installed = shutil.which("true") or "/bin/true"
    text = UNIT.read_text("utf-8").replace("/opt/gateway/bin/gateway", installed)
    unit.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []
    assert done.returncode == 0
