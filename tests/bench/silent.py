"""A server whose mailboxes can be opened and hold a mail, but never answer a FETCH.

.venv/bin/python -m tests.bench.silent PORT COUNT PASSWORD
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

from twisted.internet import asyncioreactor

from gateway.app import reactor
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import Quirks
from tests.servers.ports import free_ports


class Silent:
    """That server as a process, on `port`."""

    def __init__(self, count: int, password: str) -> None:
        (self.port,) = free_ports(1)
        self.addresses = addresses(count)
        words = [str(self.port), str(count), password]
        self._process = subprocess.Popen([sys.executable, "-m", __name__, *words])

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait()


def addresses(count: int) -> list[str]:
    """Return the addresses of its mailboxes."""
    return [f"silent{number}@shop.example" for number in range(count)]


def main() -> None:
    """Serve until SIGTERM."""
    install: Any = asyncioreactor.install  # it has no annotations
    install(asyncio.new_event_loop())
    port, count, password = sys.argv[1:]
    server = MailboxServer()
    for address in addresses(int(count)):
        server.add_account(address, password)
    server.quirks = Quirks(instead={"FETCH": b""})

    async def begin() -> bool:
        await server.start(int(port))
        return True

    reactor.run(begin, server.stop)


if __name__ == "__main__":
    main()
