"""`gateway alerts`: test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from gateway.alerts.letter import Scribe
from gateway.cli.opening import Config, Json, Opened, Verbs, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next, waiting
from gateway.cli.probing import as_document, print_steps
from gateway.cli.refusal import Refusal
from gateway.providers.catalogue import load_catalogue
from gateway.store.alerts import hurry_alerts

if TYPE_CHECKING:  # it brings Twisted
    from gateway.delivery.probe import Step

Tried = dict[str, "list[Step]"]
"""The steps of sending to each recipient, by address."""


def try_out(*, config: Config = None, as_json: Json = False) -> None:
    """Send a test alert at once to everyone whom gateway.conf names, and show each step.

    Exits 1 when one of them was not taken. Alerts that wait are due at once when all were.
    """
    with opened(config) as gateway:
        tried = _send(gateway)
        failed = [to for to, steps in tried.items() if not steps[-1].is_ok]
        hurried = 0 if failed else gateway.store.write_now(hurry_alerts, now=utc_now())
    if as_json:
        print_json(_document(tried, failed))
    else:
        for to, steps in tried.items():
            print_line(f"to {to} by {gateway.settings.alerts.host}:", style="bold")
            print_steps(steps)
    if failed:
        raise typer.Exit(1)
    if not as_json:
        print_line(f"{counted(len(tried), 'test alert')} sent: look whether it arrived")
        if hurried:
            print_line(f"{counted(hurried, 'alert')} that waited: due now")
        print_next("gateway status")


def _send(gateway: Opened) -> Tried:
    """Send by the way of every alert; raises Refusal without one, ConfigError for a file."""
    from gateway.alerts.path import AlertPath  # noqa: PLC0415 - it brings Twisted
    from gateway.app import reactor  # noqa: PLC0415

    settings = gateway.settings
    if not settings.alerts.is_on:
        sentence = "[alerts] is left out: give to, from and host, so that somebody is told"
        raise Refusal(f"{settings.path}: {sentence}")
    path = AlertPath(settings, load_catalogue())
    letters = Scribe(settings.alerts, settings.server.hostname).write_tests(now=utc_now())

    async def work() -> Tried:
        return {one.recipient: await path.send(one) for one in letters}

    with waiting(f"sending by {settings.alerts.host}"):
        return reactor.ask(work)


def _document(tried: Tried, failed: list[str]) -> dict[str, Any]:
    """Return the steps of the first recipient that failed, else of the last one."""
    shown = failed[0] if failed else list(tried)[-1]
    sent = [to for to in tried if to not in failed]
    return {"sent": sent, "to": shown, **as_document(tried[shown])}


VERBS: Verbs = {"test": try_out}
