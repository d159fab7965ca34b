"""`gateway status`: is it up, do the books balance, and what does someone have to look at?"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Event
from typing import Annotated, Any

import typer

from gateway.app.policies import limits_in
from gateway.cli.mailbox import rows_of
from gateway.cli.opening import LONGEST_WAIT, Config, Json, Opened, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next, print_table, stamp
from gateway.cli.policy import find_faults
from gateway.cli.readiness import NOT_RUNNING, ask_server
from gateway.cli.refusal import Refusal
from gateway.policy.rendering import fault_rows
from gateway.sieve.interface import CompileError
from gateway.store import books, chains, tenants
from gateway.store.alerts import count_alerts, waiting_alerts
from gateway.store.capturing import is_capturing
from gateway.store.lanes import lane_states
from gateway.store.waiting import ASIDE_REASON, held_aside, release_all

CAPTURE = "capture"  # shown where something was ever captured
PAGES = tuple(page for page in books.PAGES if page != CAPTURE)
NOTHING_LEAVES = (
    "CAPTURE: nothing leaves this machine. What is accepted now is captured, what waited before"
    " waits, mailboxes are not fetched; gateway serve without --capture ends it"
)
ASK_AGAIN_SECONDS = 0.2
TITLES = {
    "out": "recipients",
    "route": "to the helpdesk",
    "hook": "events",
    "sent": "copies",
    CAPTURE: "captured, not sent",
}
SHORT = {"difference": "rest", "set_aside": "set aside"}


def status(
    wait: Annotated[
        int,
        typer.Option(
            min=0, max=LONGEST_WAIT, metavar="SECONDS", help="Wait until the server is ready."
        ),
    ] = 0,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print whether the server is ready, the books, and what someone should look at.

    Exits 1 when --wait ran out or the books do not balance.
    """
    with opened(config) as gateway:
        missing = _wait_until_ready(gateway.settings.console.address, wait)
        runs = missing != [NOT_RUNNING]
        found = _collect(gateway) | {"ready": not missing, "waiting_for": missing}
        found["capture"] = runs and gateway.store.read_now(is_capturing)
    if as_json:
        print_json(found)
    else:
        _print(found)
    if missing and wait:
        raise Refusal(f"not ready after {wait} seconds: {', '.join(missing)}")
    if unbalanced := [page for page, book in found["books"].items() if book["difference"]]:
        raise Refusal(f"the books do not balance ({', '.join(unbalanced)}); please report it")


def _wait_until_ready(address: str, seconds: int) -> list[str]:
    until = utc_now() + timedelta(seconds=seconds)
    while missing := ask_server(address):
        if utc_now() >= until:
            break
        Event().wait(ASK_AGAIN_SECONDS)
    return missing


def _collect(gateway: Opened) -> dict[str, Any]:
    store = gateway.store
    found = {page: _book(store.read_now(books.outbound, page=page)) for page in PAGES}
    captured = store.read_now(books.outbound, page=CAPTURE)
    if captured.accepted:
        found[CAPTURE] = _book(captured)
    found["in"] = _book(store.read_now(books.inbound))
    mailboxes = rows_of(gateway, store.read_now(tenants.load_all))
    return {
        "books": found,
        "paused": _paused(gateway, utc_now()),
        "set_aside": _set_aside(gateway),
        "policies": _policies(gateway),
        "mailboxes": dict(Counter(row["state"] for row in mailboxes)),
        "unhealthy": [row for row in mailboxes if row["state"] != "ok"],
        "alerts": _alerts(gateway),
    }


def _alerts(gateway: Opened) -> dict[str, Any]:
    waiting = gateway.store.read_now(waiting_alerts)
    return {
        "on": gateway.settings.alerts.is_on,
        **dataclasses.asdict(gateway.store.read_now(count_alerts)),
        "oldest_at": stamp(waiting[0].queued_at) if waiting else None,
        "last_reply": next((one.last_reply for one in waiting if one.last_reply), None),
    }


def _policies(gateway: Opened) -> dict[str, Any]:
    """Return the faults of the files, and what runs in the place of each broken chain."""
    settings = gateway.settings
    known = gateway.store.read_now(tenants.load_all)
    directory = settings.resolve(settings.policies.directory)
    found = find_faults(directory, known.values(), limits=limits_in(settings))
    kept = gateway.store.read_now(chains.load_all)
    return {
        "errors": fault_rows(CompileError(found.errors)),
        "broken": [_broken(kept.get(key), *key) for key in found.broken],
    }


def _broken(kept: chains.KeptChain | None, tenant: str, kind: str) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "chain": kind,
        "running": kept.version if kept else None,
        "kept_at": stamp(kept.kept_at) if kept else None,
    }


def _book(book: books.Outbound | books.Inbound) -> dict[str, int]:
    return {**dataclasses.asdict(book), "difference": book.difference}


def _paused(gateway: Opened, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "tenant": one.lane.tenant,
            "kind": one.lane.kind.value,
            "name": one.lane.name,
            "paused_by": one.paused_by,
            "since": stamp(one.since),
            "until": stamp(one.until),
            "reason": one.reason,
            "fix": one.fix,
        }
        for one in gateway.store.read_now(lane_states)
        if one.is_shut(now)
    ]


def _set_aside(gateway: Opened) -> list[dict[str, Any]]:
    return [
        {
            "tenant": one.lane.tenant,
            "kind": one.lane.kind.value,
            "name": one.lane.name,
            "messages": one.recipients,
            "first": one.message,
            "reason": one.reason.removeprefix(ASIDE_REASON),
            "fix": release_all(one.lane),
        }
        for one in gateway.store.read_now(held_aside)
    ]


def _print(found: dict[str, Any]) -> None:
    if found["ready"]:
        print_line("ready", style="green")
    else:
        print_line(f"not ready: {', '.join(found['waiting_for'])}", style="yellow")
    if found["capture"]:
        print_line(NOTHING_LEAVES, style="bold red")
    print_line("")
    out = list(found["books"]["out"])
    print_table(
        ["sent", *_titles(out)],
        (
            [title, *found["books"][page].values()]
            for page, title in TITLES.items()
            if page in found["books"]
        ),
        empty="",
    )
    print_line("")
    inbound = found["books"]["in"]
    print_table(["received", *_titles(inbound)], [["messages", *inbound.values()]], empty="")
    _print_troubles(found)


def _titles(names: Iterable[str]) -> list[str]:
    return [SHORT.get(name, name) for name in names]


def _print_troubles(found: dict[str, Any]) -> None:
    steps = []
    for row in found["paused"]:
        print_line(
            f"paused: {row['tenant']} {row['kind']} {row['name']}: {row['reason']}",
            style="yellow",
        )
        steps.append(row["fix"])
    for row in found["set_aside"]:
        way = f"{row['tenant']} {row['kind']} {row['name']}"
        mails = counted(row["messages"], "message")
        print_line(f"set aside: {way}: {mails}: {row['reason']}", style="yellow")
        steps.append(row["fix"])
    for row in found["policies"]["errors"]:
        place = f"{row['file']}:{row['line']}:{row['column']}"
        print_line(f"policy {place}: {row['message']}", style="red")
        steps.append("gateway policy check")
    for row in found["policies"]["broken"]:
        print_line(f"policies of {row['tenant']}, {row['chain']}: {_instead(row)}")
    for row in found["unhealthy"]:
        style = "red" if row["state"] == "dead" else "yellow"
        print_line(f"mailbox {row['address']}: {row['state']}: {row['reason']}", style=style)
        steps.append(row["fix"])
    if waiting := found["alerts"]["waiting"]:
        said = found["alerts"]["last_reply"] or "not tried yet"
        print_line(f"alerts: {counted(waiting, 'mail')} not sent: {said}", style="yellow")
        steps.append("gateway alerts test")
    if not found["ready"] and found["waiting_for"] == [NOT_RUNNING]:
        steps.append("gateway serve")
    print_next(*dict.fromkeys(filter(None, steps)) or ["gateway queue list"])


def _instead(row: dict[str, Any]) -> str:
    if row["running"]:
        return f"the last good files run on ({row['running']}, of {row['kept_at']})"
    if row["chain"] == "inbound":
        return "no good files were ever here: no mail is fetched"
    return "no good files were ever here: submissions are answered 451"
