"""A real client that we did not write: swaks."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gateway.mail.tenant import Security

if TYPE_CHECKING:
    from tests.submission.conftest import Stage

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed"),
]

TLS = {Security.STARTTLS: ["--tls"], Security.TLS: ["--tls-on-connect"], Security.NONE: []}


def swaks(stage: Stage, security: Security, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(stage.port(security)),
         "--from", "support@acme.example", "--to", "ann@example.org",
         "--auth-user", "acme.zammad", "--ehlo", "desk.example", *TLS[security], *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("security", list(Security))
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_hands_in_a_message(stage: Stage, security: Security, mechanism: str) -> None:
    words = ["--auth", mechanism, "--auth-password", "correct-horse-battery-staple"]
    done = swaks(stage, security, *words, "--pipeline")
    assert done.returncode == 0, done.stdout
    assert f"250 2.0.0 queued as {stage.accepted[0].id}" in done.stdout


def test_swaks_is_told_that_the_password_is_wrong(stage: Stage) -> None:
    words = ["--auth", "PLAIN", "--auth-password", "wrong"]
    done = swaks(stage, Security.STARTTLS, *words)
    assert done.returncode == 28  # swaks: authentication failed
    assert "535 5.7.8" in done.stdout
