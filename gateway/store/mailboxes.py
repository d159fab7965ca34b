"""What a person does to a mailbox: answers, pause, resume, delete."""

from __future__ import annotations

from datetime import datetime

from gateway.store import codes, needs, states, tenants
from gateway.store.errors import Conflict
from gateway.store.lanes import resume_lane
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db

Items = dict[tuple[str, str], dict[str, object]]


def set_answers(db: Db, tenant: str, address: str, *, answers: bool) -> None:
    """Switch a mailbox's automatic answers on or off; its mail flows on either way."""
    settings = _items(db, tenant)["mailbox", address]
    tenants.put_item(db, tenant, "mailbox", address, {**settings, "answers": answers})
    tenants.bump(db)


def pause(db: Db, address: str, *, now: datetime) -> None:
    """Sign in no more until a person resumes it."""
    states.set_paused(db, address, paused=True, now=now)
    tenants.bump(db)


def resume(db: Db, tenant: str, address: str, *, now: datetime) -> int:
    """Sign in again at once, a dead sign-in too; return how many deliveries are due now."""
    states.set_paused(db, address, paused=False, now=now)
    states.revive(db, address, reason="A person resumed it; it is tried now.", now=now)
    due = sum(resume_lane(db, lane, now=now) for lane in needs.own_lanes(db, tenant, address))
    tenants.bump(db)
    return due


def renew(
    db: Db,
    seal: Seal,
    tenant: str,
    address: str,
    code: str,
    *,
    by_file: bool = False,
    now: datetime,
) -> int:
    """Put a code that was proven in the place of the one before; return what is due now.

    Its term begins today, unless it came `by_file`, which says when it was issued. Raises
    Conflict where the mailbox was removed while the code was proven.
    """
    if ("mailbox", address) not in _items(db, tenant):
        raise Conflict(f"{address} was removed meanwhile; gateway mailbox connect {tenant}")
    tenants.put_secret(db, seal, tenant, "mailbox", address, code, now=now)
    codes.note_renewal(db, tenant, address, at=None if by_file else now)
    codes.drop_candidate(db, tenant, address)
    return sum(resume_lane(db, lane, now=now) for lane in needs.own_lanes(db, tenant, address))


def take_candidate(
    db: Db, seal: Seal, tenant: str, address: str, code: str, *, now: datetime
) -> bool:
    """Put a candidate that was proven in the place of the code before; False: it is none."""
    if not codes.is_candidate(db, seal, tenant, address, code):
        return False
    renew(db, seal, tenant, address, code, by_file=True, now=now)
    return True


def delete(db: Db, tenant: str, address: str, *, force: bool, now: datetime) -> None:
    """Remove a mailbox, its code, and the upstreams that send by its account.

    Raises Conflict with the counts while mail or a sender needs it, unless `force`: the mail
    is held then, and those senders have no upstream.
    """
    items = _items(db, tenant)
    gone = [lane.name for lane in needs.own_lanes(db, tenant, address) if lane.name != address]
    senders = _that_name(items, "sender", gone)
    if senders and not force:
        names = ", ".join(senders)
        raise Conflict(f"mail from {names} leaves by its account; --force lets it wait")
    tenants.remove_item(db, tenant, "mailbox", address, force=force, now=now)
    for name in gone:
        tenants.remove_item(db, tenant, "upstream", name, force=force, now=now)
    for kind in ("sender", "mailbox"):
        for name in _that_name(items, kind, gone):
            if (kind, name) != ("mailbox", address):
                kept = {k: v for k, v in items[kind, name].items() if k != "upstream"}
                tenants.put_item(db, tenant, kind, name, kept)
    tenants.bump(db)


def _items(db: Db, tenant: str) -> Items:
    found = tenants.tables(db, tenant)
    return found[1] if found else {}


def _that_name(items: Items, kind: str, upstreams: list[str]) -> list[str]:
    return [
        name
        for (of_kind, name), settings in items.items()
        if of_kind == kind and settings.get("upstream") in upstreams
    ]
