"""The program: installs Twisted's asyncio reactor where one is needed, then calls `cli`."""

from __future__ import annotations

import os
import sys

from gateway.cli.commands import run

STOPPED = 130  # by a person: Ctrl-C
WITH_REACTOR = (
    ("serve",),
    ("demo",),
    ("send",),
    ("upstream", "test"),
    ("upstream", "add"),
    ("mailbox", "connect"),
    ("mailbox", "authorize"),
    ("mailbox", "ledger"),
    ("mailbox", "reauth"),
    ("alerts", "test"),
)


def main() -> None:
    """Run the command line of this process and exit with its code."""
    if any(sys.argv[1 : 1 + len(words)] == list(words) for words in WITH_REACTOR):
        _install_reactor()
    code = run(sys.argv[1:])
    if code == STOPPED:
        sys.stdout.flush()
        os._exit(code)  # its threads are not waited for: a server may say nothing for a minute
    sys.exit(code)


def _install_reactor() -> None:
    """Install it before anything imports `twisted.internet.reactor`: Twisted keeps the first.

    The other verbs do without, and start in a third of the time.
    """
    from twisted.internet import asyncioreactor  # noqa: PLC0415 - see above

    asyncioreactor.install()  # type: ignore[no-untyped-call]  # Twisted's lack


if __name__ == "__main__":
    main()
