"""The command as a real process, in a directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from gateway.store.sqlite import Db, Store
from tests.servers import warm

P = ParamSpec("P")
T = TypeVar("T")

ROOT = Path(__file__).parents[2]
CONFIGURATION = """
[server]
state = "state"
[console]
address = "127.0.0.1:1"
"""
TENANT = """
tenant = "acme"
name = "Acme Shop"
[domains."acme.example"]
[senders."support@acme.example"]
name = "Acme Support"
upstream = "own"
[upstreams.own]
host = "smtp.acme.example"
username = "relay"
password_file = "own-password"
"""


class Cli:
    """A directory with a gateway.conf, in which verbs run."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def configure(self) -> None:
        """Write a gateway.conf and the directory of its policies."""
        (self.home / "gateway.conf").write_text(CONFIGURATION)
        (self.home / "policies").mkdir()

    def write(self, name: str, text: str) -> Path:
        """Write a file into the directory."""
        path = self.home / name
        path.write_text(text)
        return path

    def run(
        self, *words: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one verb to its end."""
        mine = {"PYTHONPATH": str(ROOT), "GATEWAY_CONFIG": "", "COLUMNS": "100"}
        return warm.run(*words, env={**os.environ, **mine, **(env or {})}, cwd=self.home)

    def say(self, *words: str) -> str:
        """Return what a verb prints that must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        """Return the one JSON document that a verb prints with --json."""
        return json.loads(self.say(*words, "--json"))

    def refused(self, *words: str, code: int = 1) -> str:
        """Return the sentences of a verb that must fail, and that says nothing else."""
        done = self.run(*words)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def apply(self, text: str = TENANT) -> str:
        """Apply a tenant file whose upstream's password lies beside it."""
        self.write("own-password", "upstream secret\n")
        self.write("acme.toml", text)
        return self.say("apply", "acme.toml")

    def write_store(
        self, work: Callable[Concatenate[Db, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do in the store what the running server would have done."""
        store = Store.open(self.home / "state" / "gateway.db")
        try:
            return store.write_now(work, *args, **kwargs)
        finally:
            store.close()
