"""A real Rspamd on loopback that only looks at DKIM: it knows RSA and Ed25519."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx

from tests.servers.need import need
from tests.servers.ports import free_ports, wait_until
from tests.servers.zone import Zone

SETTINGS = """
options {{
  pidfile = "{home}/pid";
  control_socket = "{home}/control mode=0600";
  history_file = "{home}/history";
  cache_file = "{home}/cache";
  hs_cache_dir = "{home}";
  disable_hyperscan = true;
  url_tld = "{home}/tld";
  filters = "dkim";
  dns {{ nameserver = ["{nameserver}"]; }}
}}
logging {{ type = "file"; filename = "{home}/log"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
dkim {{ trusted_only = false; skip_multi = false; }}
"""
VERDICTS = {"R_DKIM_ALLOW": True, "R_DKIM_REJECT": False}


class Rspamd:
    """One instance that finds keys in `zone`; started when it is made."""

    def __init__(self, zone: Zone) -> None:
        need("rspamd")
        self.home = Path(tempfile.mkdtemp(prefix="rspamd-"))
        (port,) = free_ports(1)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        (self.home / "tld").write_text("example\n")  # the whole list takes it ten seconds
        settings = self.home / "rspamd.conf"
        settings.write_text(SETTINGS.format(home=self.home, nameserver=zone.address, port=port))
        self._process = subprocess.Popen(
            ["rspamd", "--no-fork", "--insecure", "--config", str(settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(self._answers, what=lambda: f"Rspamd\n{self.log()}")
        except TimeoutError:
            self.close()
            raise

    def verify(self, content: bytes) -> dict[str, bool]:
        """Return whether each signature is good, by "DOMAIN:s=SELECTOR"."""
        symbols = self._client.post("/checkv2", content=content).json()["symbols"]
        return {
            signature: good
            for symbol, good in VERDICTS.items()
            for signature in symbols.get(symbol, {}).get("options", ())
        }

    def log(self) -> str:
        """Return what it has logged so far."""
        log = self.home / "log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def close(self) -> None:
        """Stop it and remove everything it had."""
        self._process.terminate()
        self._process.wait(60)
        self._client.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            return self._client.get("/ping").is_success
        except httpx.TransportError:
            return False
