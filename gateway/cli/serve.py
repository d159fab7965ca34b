"""`gateway serve` and `gateway demo`: the verbs that stay in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.opening import Config, Json, find_config
from gateway.config import load_settings


def serve(
    capture: Annotated[
        bool,
        typer.Option("--capture", help="Nothing leaves: mail goes to state/captured instead."),
    ] = False,
    config: Config = None,
    take_mail: Annotated[str, typer.Option(hidden=True)] = "",
    tally: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Run the gateway in the foreground: logs to standard error, drains on SIGTERM.

    With --capture a sandbox stands for every upstream, to try a helpdesk safely: what is
    accepted in that run is captured, what waited before waits, mailboxes are not fetched.
    """
    settings = load_settings(find_config(config))
    # Twisted's reactor must be chosen before the app is imported; only this verb pays for it.
    if take_mail:  # file descriptors of listening sockets, from a server of ours
        from gateway.app.worker import take_mail as take  # noqa: PLC0415 - see above

        shared, part = tally.split(",")
        numbers = [int(number) for number in take_mail.split(",")]
        take(settings, numbers, tally=(int(shared), int(part)))
        return
    from gateway.app.server import serve as serve_all  # noqa: PLC0415 - see above

    serve_all(settings, capture=capture)


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the tour.")] = False,
    as_json: Json = False,
) -> None:
    """Show the whole circle with a sandbox provider, and stay up to be played with.

    With --json the tour is told on standard error, and its steps then in one document.
    """
    from gateway.cli.demo import run_demo  # noqa: PLC0415 - as in serve

    run_demo(once=once, as_json=as_json)
