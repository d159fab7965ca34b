from __future__ import annotations

import subprocess
import sys

STEPS = (
    "started", "accepted", "signed", "delivered", "written", "received", "written", "received",
    "answered",
)  # fmt: skip


def test_the_demo_leads_through_both_journeys_and_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    steps = [line.split()[2] for line in done.stdout.splitlines() if line[6:9] == " s "]
    assert steps == list(STEPS)
    assert "DKIM pass" in done.stdout
    assert "in its thread" in done.stdout
    assert "signature verified" in done.stdout
    assert done.stdout.count("$ gateway log trace") == 2
