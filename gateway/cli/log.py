"""`gateway log`: search, tail, trace. Each message explains itself."""

from __future__ import annotations

from threading import Event
from typing import Annotated, Any

import typer

from gateway.cli.meanings import fix_of, meaning_of
from gateway.cli.opening import Config, Id, Json, OfTenant, Verbs, opened
from gateway.cli.output import (
    print_json,
    print_line,
    print_next,
    print_pairs,
    print_table,
    stamp,
    when,
)
from gateway.cli.refusal import Refusal
from gateway.store import journal
from gateway.store.journal import Entry, Summary, Timeline

FOLLOW_SECONDS = 0.5
SHORTEST_WORD = 3  # the search index knows parts of three characters and more
TOLD_APART = ("meaning", "fix")

Lines = Annotated[int, typer.Option("--lines", "-n", min=1, help="So many of the newest.")]


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD", show_default=False)],
    *,
    tenant: OfTenant = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many messages.")] = 50,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Find messages by address, id or reply; parts of three characters and more are found."""
    if short := [word for word in words if len(word) < SHORTEST_WORD]:
        raise Refusal(f"'{short[0]}' is too short: give at least {SHORTEST_WORD} characters")
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        # A write, since it brings the index up to what came since the last search.
        found = gateway.store.write_now(journal.search, words, tenant=tenant, limit=limit)
    if as_json:
        print_json([_summary(one) for one in found])
        return
    print_table(
        ["id", "at", "tenant", "kind", "from", "to", "state"],
        (
            [
                one.id, one.accepted_at, one.tenant, one.kind, one.header_from,
                ", ".join(one.recipients), ", ".join(sorted(set(one.states))),
            ]
            for one in found
        ),
        empty=f"no message has {' and '.join(words)}",
    )  # fmt: skip
    if found:
        print_next(f"gateway log trace {found[0].id}")


def tail(
    *,
    lines: Lines = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until stopped.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the newest events of all messages."""
    if follow and as_json:
        raise Refusal("--follow has no end, so it cannot be one JSON document")
    with opened(config) as gateway:
        last = gateway.store.read_now(journal.last_number)
        found = gateway.store.read_now(journal.tail, after=max(0, last - lines), limit=lines)
        if as_json:
            print_json([{"id": one.message, **_event(one)} for one in found])
            return
        _print_lines(found)
        while follow:
            after = found[-1].number if found else last
            Event().wait(FOLLOW_SECONDS)
            found = gateway.store.read_now(journal.tail, after=after)
            last = after
            _print_lines(found)


def trace(id_: Id, *, config: Config = None, as_json: Json = False) -> None:
    """Tell the life of one message: what happened, what it means, what to do."""
    with opened(config) as gateway:
        found = gateway.store.read_now(journal.timeline, id_)
        if found is None:
            raise Refusal(gateway.store.read_now(journal.unknown_message, id_))
    if as_json:
        print_json(_timeline(found))
        return
    print_pairs(
        [
            ("id", found.id),
            ("message-id", found.message_id),
            ("tenant", found.tenant),
            ("direction", found.direction),
        ]
    )
    for entry in found.entries:
        _print_entry(entry)
    if found.direction == "out":
        print_next(f"gateway queue show {found.id}")


VERBS: Verbs = {"search": search, "tail": tail, "trace": trace}


def _timeline(found: Timeline) -> dict[str, Any]:
    return {
        "id": found.id,
        "direction": found.direction,
        "tenant": found.tenant,
        "message_id": found.message_id or None,
        "events": [_event(one) for one in found.entries],
    }


def _event(entry: Entry) -> dict[str, Any]:
    return {
        "at": stamp(entry.at),
        "event": entry.event,
        "detail": entry.detail,
        "meaning": meaning_of(entry.event, entry.detail),
        "fix": fix_of(entry.detail),
    }


def _summary(one: Summary) -> dict[str, Any]:
    return {
        "id": one.id,
        "tenant": one.tenant,
        "kind": one.kind,
        "message_id": one.message_id or None,
        "from": one.header_from,
        "recipients": list(one.recipients),
        "states": list(one.states),
        "accepted_at": stamp(one.accepted_at),
    }


def _print_lines(entries: list[Entry]) -> None:
    for one in entries:
        print_line(f"{when(one.at)} {one.message} {one.event} {_details(one.detail)}".rstrip())


def _print_entry(entry: Entry) -> None:
    print_line("")
    print_line(f"{when(entry.at)}  {entry.event}", style="bold")
    print_line(f"  {meaning_of(entry.event, entry.detail)}")
    if details := _details(entry.detail):
        print_line(f"  {details}", style="dim")
    if fix := fix_of(entry.detail):
        print_line(f"  fix: {fix}", style="yellow")


def _details(detail: dict[str, Any]) -> str:
    return "  ".join(
        f"{key}={_word(value)}"
        for key, value in detail.items()
        if key not in TOLD_APART and value != ""
    )


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return str(value)
