"""`gateway queue`: what waits, and what people do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from gateway.cli.opening import ID, Config, Id, Json, OfTenant, Opened, Verbs, opened, utc_now
from gateway.cli.output import (
    Cell,
    counted,
    print_json,
    print_line,
    print_next,
    print_pairs,
    print_table,
    size,
    stamp,
    until,
    warn,
)
from gateway.cli.refusal import Refusal
from gateway.mail.delivery import Kind, LaneKind, State
from gateway.mail.schema import unknown_key
from gateway.store import holds, journal, outbound_holds, people
from gateway.store.people import QueueEntry, QueueRecipient
from gateway.store.sqlite import Db

RELEASE, DELETE = "queue.release", "queue.delete"
MOST_NAMED = 5
OF_UPSTREAMS = (LaneKind.UPSTREAM, LaneKind.CAPTURE)


def list_(
    *,
    tenant: OfTenant = None,
    state: Annotated[
        str | None,
        typer.Option(show_default=False, help=f"One of {', '.join(State)}."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many messages.")] = 1000,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List what waits, oldest first; of fetched mail what a policy or a fault holds."""
    if state is not None and state not in list(State):
        raise Refusal(unknown_key(state, list(State), thing="state"))
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        found = gateway.store.read_now(people.entries, tenant=tenant, state=state, limit=limit)
    if as_json:
        print_json([as_document(one) for one in found])
        return
    print_table(
        ["id", "tenant", "direction", "way", "to", "state", "waits for"],
        (_row(one) for one in found),
        empty="nothing waits" if state is None else f"nothing is {state}",
    )
    if found:
        print_next(f"gateway queue show {found[0].id}")


def show(id_: Id, *, config: Config = None, as_json: Json = False) -> None:
    """Show one message, finished or not, with each recipient."""
    with opened(config) as gateway:
        found = _find(gateway, id_)
    if as_json:
        print_json({**as_document(found), "message_id": found.message_id or None})
        return
    print_pairs(
        [
            ("id", found.id),
            ("message-id", found.message_id),
            ("tenant", found.tenant),
            ("direction", found.direction),
            ("way", _way(found)),
            ("sender", found.sender or "<>"),
            ("from", found.header_from),
            ("size", size(found.size_bytes)),
            ("accepted", found.accepted_at),
            ("waits because", found.reason),
            ("fix", found.fix),
        ]
    )
    print_table(
        ["recipient", "state", "tries", "next try", "last reply"],
        (
            [one.address, one.state, one.attempts, until(one.next_attempt_at), one.last_reply]
            for one in found.recipients
        ),
        empty="it has no recipients",
    )
    print_next(f"gateway log trace {found.id}")


def hold(
    id_: Id,
    *,
    reason: Annotated[str, typer.Option(help="Shown with the message.")] = "held by a person",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Hold what waits of a message until a person releases it."""
    with opened(config) as gateway:
        moved = gateway.store.write_now(people.hold, id_, reason=reason, now=utc_now())
        found = _find(gateway, id_)
    _tell_claimed(found, "hold", as_json=as_json)
    _tell(found, "held", moved, step=f"gateway queue release {found.id}", as_json=as_json)


def release(
    id_: Annotated[str | None, ID] = None,
    *,
    way: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="All that is set aside of a route, a hook, or a mailbox's sent mail.",
        ),
    ] = None,
    tenant: OfTenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let a held message go; where a policy held it the policies behind that one go on."""
    if id_ is None or way is not None or tenant is not None:
        _release_aside(id_, tenant, way, config=config, as_json=as_json)
        return
    with opened(config) as gateway:
        for held in (holds, outbound_holds):
            if message := _held_by_policy(gateway, id_, held.is_held):
                gateway.store.write_now(held.release, message, event=RELEASE, now=utc_now())
                _tell_released(message, as_json=as_json)
                return
        moved = gateway.store.write_now(people.release, id_, now=utc_now())
        found = _find(gateway, id_)
    _tell_waiting(found, as_json=as_json)
    _tell(found, "released", moved, step=f"gateway log trace {found.id}", as_json=as_json)


def retry(id_: Id, *, config: Config = None, as_json: Json = False) -> None:
    """Try a message again now."""
    with opened(config) as gateway:
        moved = gateway.store.write_now(people.retry, id_, now=utc_now())
        found = _find(gateway, id_)
    _tell_waiting(found, as_json=as_json)
    _tell(found, "due now", moved, step=f"gateway log trace {found.id}", as_json=as_json)


def bounce(id_: Id, *, config: Config = None, as_json: Json = False) -> None:
    """Give up on a message now; its sender is told, as when its time is over."""
    from gateway.app.giving_up import give_up  # noqa: PLC0415 - it brings the presets

    with opened(config) as gateway:
        recorded = give_up(gateway.settings, gateway.store, id_, now=utc_now())
        found = _find(gateway, id_)
    moved = len(recorded.failed)
    told = next((one.id for one in recorded.queued if one.kind is Kind.BOUNCE), None)
    if as_json:
        done = {"id": found.id, "action": "bounced", "recipients": moved}
        print_json({**done, "notification": told})
        return
    _tell_claimed(found, "bounce", as_json=as_json)
    how = f"told by {told}" if told else "not told: it has no sender, or its tenant no route"
    print_line(f"{found.id}: given up ({counted(moved, 'recipient')}); its sender is {how}")
    print_next(f"gateway log trace {found.id}")


def delete(id_: Id, *, config: Config = None, as_json: Json = False) -> None:
    """Cancel what waits of a message; nobody is told, its bytes are kept for the log."""
    with opened(config) as gateway:
        if message := _held_by_policy(gateway, id_, holds.is_held):
            found, moved = _find(gateway, message), 1
            gateway.store.write_now(holds.remove, message, event=DELETE, now=utc_now())
        else:
            moved = gateway.store.write_now(people.delete, id_, now=utc_now())
            found = _find(gateway, id_)
    _tell_claimed(found, "delete", as_json=as_json)
    _tell(found, "cancelled", moved, step="gateway queue list", as_json=as_json)


def _held_by_policy(
    gateway: Opened, id_: str, is_held: Callable[[Db, str], bool]
) -> str | None:
    """Return our id of a message that is held so, None when it is not."""
    message = gateway.store.read_now(journal.find_message, id_)
    return message if message and gateway.store.read_now(is_held, message) else None


def _release_aside(
    id_: str | None, tenant: str | None, way: str | None, *, config: Config, as_json: bool
) -> None:
    if id_ is not None or tenant is None or way is None:
        raise Refusal("give the ID of a message, or --tenant and --way for all of a way")
    released: list[str] = []
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        while found := gateway.store.write_now(
            people.release_aside, tenant, way, after="".join(released[-1:]), now=utc_now()
        ):
            released += found
    if not released:
        raise Refusal(f"nothing of {way} of {tenant} is set aside; see gateway status")
    if as_json:
        print_json({"ids": released, "action": "released"})
        return
    print_line(f"{way} of {tenant}: released ({counted(len(released), 'message')})")
    print_next(f"gateway log trace {released[0]}")


def _tell_waiting(found: QueueEntry, *, as_json: bool) -> None:
    if found.reason not in (None, people.ITS_TURN) and not as_json:
        print_line(f"{found.id}: it still waits: {found.reason}")


def _tell_claimed(found: QueueEntry, verb: str, *, as_json: bool) -> None:
    """Say what a verb cannot touch: who is being served at this moment goes on."""
    claimed = [one.address for one in found.recipients if one.state == State.CLAIMED]
    if claimed and not as_json:
        again = f"if it does not arrive, type gateway queue {verb} {found.id} again"
        warn(f"{found.id}: it is being sent to {', '.join(claimed[:MOST_NAMED])}; {again}")


def _tell_released(id_: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": id_, "action": "released"})
        return
    print_line(f"{id_}: released; the policies behind the one that held it go on")
    print_next(f"gateway log trace {id_}")


VERBS: Verbs = {
    "list": list_,
    "show": show,
    "hold": hold,
    "release": release,
    "retry": retry,
    "bounce": bounce,
    "delete": delete,
}


def as_document(entry: QueueEntry) -> dict[str, Any]:
    """Return a message as `queue list --json` shows it."""
    return {
        "id": entry.id,
        "tenant": entry.tenant,
        "direction": entry.direction,
        "upstream": entry.upstream if entry.lane_kind in OF_UPSTREAMS else None,
        "way": _way(entry),
        "sender": entry.sender,
        "recipients": [_recipient(one) for one in entry.recipients],
        "size_bytes": entry.size_bytes,
        "accepted_at": stamp(entry.accepted_at),
        "reason": entry.reason,
        "fix": entry.fix,
    }


def _recipient(one: QueueRecipient) -> dict[str, Any]:
    return {
        "address": one.address,
        "state": one.state,
        "attempts": one.attempts,
        "last_reply": one.last_reply,
        "next_attempt_at": stamp(one.next_attempt_at),
    }


def _find(gateway: Opened, id_: str) -> QueueEntry:
    if found := gateway.store.read_now(people.entry, id_):
        return found
    raise Refusal(gateway.store.read_now(journal.unknown_message, id_))


def _row(entry: QueueEntry) -> list[Cell]:
    first = entry.recipients[0]
    more = len(entry.recipients) - 1
    states = sorted({one.state for one in entry.recipients})
    due = [one.next_attempt_at for one in entry.recipients if one.next_attempt_at]
    return [
        entry.id,
        entry.tenant,
        entry.direction,
        entry.upstream or "no upstream",
        f"{first.address} and {more} more" if more else first.address,
        ", ".join(states),
        entry.reason or until(min(due, default=None)),
    ]


def _way(entry: QueueEntry) -> str:
    if entry.upstream is None:
        return "no upstream"
    return f"{entry.lane_kind} {entry.upstream}"


def _tell(found: QueueEntry, done: str, moved: int, *, step: str, as_json: bool) -> None:
    if as_json:
        print_json({"id": found.id, "action": done, "recipients": moved})
        return
    print_line(f"{found.id}: {done} ({counted(moved, 'recipient')})")
    print_next(step)
