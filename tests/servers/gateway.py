"""The gateway itself as a real process, in a directory of its own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.servers import warm
from tests.servers.ports import free_ports, wait_until

START_SECONDS = 60.0

CONFIGURATION = """
[server]
hostname = "gateway.example"
state = "state"
workers = {workers}
[storage]
keep_free = 0
[[submission.listeners]]
address = "127.0.0.1:{plain}"
security = "none"
[[submission.listeners]]
address = "127.0.0.1:{starttls}"
security = "starttls"
[[submission.listeners]]
address = "127.0.0.1:{tls}"
security = "tls"
[console]
address = "127.0.0.1:{web}"
public_url = "http://127.0.0.1:{web}"
[policies]
directory = "policies"
[routes]
private_networks = ["127.0.0.0/8"]
retry_waits = ["1s", "2s"]
"""


class Gateway:
    """One instance: `plain`, `starttls` and `tls` are its submission ports, `web` its console.

    `more` is added to its gateway.conf; `workers` is its number of processes. A cold one is
    started as by a person, where what it takes or the list of processes is looked at.
    """

    def __init__(self, *, more: str = "", workers: int = 2, is_cold: bool = False) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="gateway-"))
        self.plain, self.starttls, self.tls, self.web = free_ports(4)
        self.config = self.home / "gateway.conf"
        ports = {"plain": self.plain, "starttls": self.starttls, "tls": self.tls}
        text = CONFIGURATION.format(web=self.web, workers=workers, **ports)
        self.config.write_text(text + more)
        (self.home / "policies").mkdir()
        self.is_cold = is_cold
        self.process: subprocess.Popen[bytes] | warm.Process | None = None

    def start(self, *options: str) -> None:
        """Start it, or start it again; returns when every listener and worker is up."""
        self.begin(*options)
        wait_until(
            self._is_ready, what=lambda: f"the gateway\n{self.log()}", seconds=START_SECONDS
        )

    def begin(self, *options: str) -> None:
        """Start it, and do not wait."""
        with (self.home / "gateway.log").open("ab") as log:
            words, env = ("serve", *options), self._environment
            self.process = (
                subprocess.Popen([sys.executable, "-m", "gateway", *words], env=env, stderr=log)
                if self.is_cold
                else warm.Process(*words, env=env, stderr=log)
            )

    def kill(self) -> None:
        """End it at once by SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(START_SECONDS)

    def stop(self) -> int:
        """Stop it as an administrator would; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(START_SECONDS)

    def close(self) -> None:
        """Stop it and remove everything it had."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line."""
        done = warm.run(*words, env=self._environment, seconds=120)
        if check and done.returncode:
            raise AssertionError(f"gateway {' '.join(words)}: {done.stderr}{done.stdout}")
        return done

    def json(self, *words: str) -> Any:
        """Return what a verb prints with --json."""
        return json.loads(self.run(*words, "--json").stdout)

    def apply(self, tenant_file: str, **secrets: str) -> None:
        """Apply a tenant file; `secrets` are files beside it, by name."""
        for name, secret in secrets.items():
            (self.home / name).write_text(secret)
        (self.home / "tenant.toml").write_text(tenant_file)
        self.run("apply", str(self.home / "tenant.toml"))

    def wait_for_empty_queue(self, *, seconds: float = 60.0) -> None:
        """Return once nothing waits to leave; fetched mail may be held for a person."""
        wait_until(
            lambda: self.figure("queue_deliveries") == 0,
            what=lambda: f"an empty queue\n{self.run('queue', 'list').stdout}\n{self.log()}",
            seconds=seconds,
        )

    def figure(self, name: str, **labels: str) -> float:
        """Return the sum of a figure that the running server shows at /metrics.

        To be preferred in a wait: a verb of the command line takes a core for half a second.
        """
        with urlopen(f"http://127.0.0.1:{self.web}/metrics") as page:
            families = text_string_to_metric_families(page.read().decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == f"gateway_{name}" and labels.items() <= sample.labels.items()
        )

    def log(self) -> str:
        """Return what it has logged so far."""
        log = self.home / "gateway.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway ended at its start\n{self.log()}")
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"GATEWAY_CONFIG": str(self.config)}
