"""Where both sides deliver: Postfix's own smtp-sink, which counts what it was given."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading

from tests.servers.ports import free_ports, wait_until

PROGRAM = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")


class Sink:
    """A counting sink on `port`."""

    def __init__(self) -> None:
        if PROGRAM is None:
            raise FileNotFoundError("smtp-sink is not installed: apt-get install postfix")
        (self.port,) = free_ports(1)
        self.messages = 0
        self._process = subprocess.Popen(
            [PROGRAM, "-u", "nobody", "-c", f"127.0.0.1:{self.port}", "1000"],
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._count, daemon=True).start()

    def wait_for(self, messages: int, *, seconds: float) -> None:
        """Return once it was given that many messages in all."""
        wait_until(
            lambda: self.messages >= messages,
            what=lambda: f"{messages} messages in the sink, it has {self.messages}",
            seconds=seconds,
        )

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()

    def _count(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            rest = (rest + chunk)[-200:]
            if counts := re.findall(rb"mesg=(\d+)\r", rest):
                self.messages = int(counts[-1])
