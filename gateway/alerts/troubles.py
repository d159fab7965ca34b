"""What a person has to mend, put into words from what the store and the files show: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from gateway.mail.delivery import LaneKind
from gateway.mail.tenant import Tenant
from gateway.mail.trouble import Trouble
from gateway.store.lanes import LaneState
from gateway.store.states import MailboxState
from gateway.store.waiting import ASIDE_REASON, Held, release_all

ANNOUNCED = timedelta(days=14)  # before a certificate ends
WAYS = {
    LaneKind.ROUTE: "the route", LaneKind.HOOK: "the hook",
    LaneKind.SENT: "the folder for sent mail of",
}  # fmt: skip
PAGES = {
    "out": "sent", "route": "to the helpdesks", "hook": "events", "sent": "copies",
    "capture": "captured", "in": "received",
}  # fmt: skip


class Fault(Protocol):
    """Where a policy does not compile, and why."""

    @property
    def file(self) -> str: ...  # noqa: D102 - a field
    @property
    def line(self) -> int: ...  # noqa: D102 - a field
    @property
    def message(self) -> str: ...  # noqa: D102 - a field


Tenants = Mapping[str, Tenant]


def refused_sign_ins(
    lanes: Iterable[LaneState], tenants: Tenants, *, now: datetime
) -> Iterator[Trouble]:
    """Yield the ways out that are paused because their sign-in is refused."""
    for state in lanes:
        lane = state.lane
        if state.paused_by != "sign-in" or lane.tenant not in tenants:
            continue
        tenant = tenants[lane.tenant]
        upstream = tenant.upstreams.get(lane.name)
        # of a mailbox its owner has a reminder, with the link to enter a new code
        is_reminded = lane.name in tenant.mailboxes or bool(upstream and upstream.mailbox)
        can_test = lane.kind is LaneKind.UPSTREAM and lane.name in tenant.upstreams
        test = f"gateway upstream test {lane.tenant} {lane.name}"
        yield Trouble(
            cause=f"{lane.kind} {lane.tenant} {lane.name}",
            what=f"{lane.tenant}: mail does not leave by the {lane.kind} {lane.name}",
            why=f"{state.reason or 'its sign-in is refused'} What waits is not bounced.",
            fix=f"{state.fix or 'Apply the right password.'} Then what waits leaves by itself.",
            command=test if can_test else "gateway status",
            since=state.since or now,
            tenant=lane.tenant,
            owner=None if is_reminded else tenant.owner or None,
        )


def dead_mailboxes(states: Iterable[MailboxState], tenants: Tenants) -> Iterator[Trouble]:
    """Yield the mailboxes that cannot be read any more."""
    owners = {address: one for one in tenants.values() for address in one.mailboxes}
    for state in states:
        if (tenant := owners.get(state.address)) is None:
            continue
        yield Trouble(
            cause=f"mailbox {state.address}",
            what=f"{tenant.id}: the mailbox {state.address} is not read any more",
            why=f"{state.reason or 'its sign-in is refused'} What arrives stays there.",
            fix=f"{state.fix or 'Apply the right password.'} Then it is caught up by itself.",
            command="gateway mailbox list",
            since=state.since,
            tenant=tenant.id,
        )  # its owner has a reminder, with the link to enter a new code


def held_mail(stale: Iterable[Held], tenants: Tenants, *, now: datetime) -> Iterator[Trouble]:
    """Yield the lanes with mail that is held because it waited too long."""
    for one in stale:
        lane, tenant = one.lane, tenants.get(one.lane.tenant)
        way = f"the {lane.kind} {lane.name}" if lane.name else "want of an upstream"
        yield Trouble(
            cause=f"stale {lane.tenant} {lane.kind} {lane.name}".rstrip(),
            what=f"{lane.tenant}: mail is held that waited too long for {way}",
            why=f"{_begun(one.reason)} ({one.recipients} so far).",
            fix="Mend that, then decide about each message; the first one goes by:"
            f" gateway queue release {one.message}",
            command=f"gateway queue list --state held --tenant {lane.tenant}",
            since=now,
            tenant=lane.tenant,
            owner=tenant.owner or None if tenant else None,
        )


def set_aside(aside: Iterable[Held], tenants: Tenants, *, now: datetime) -> Iterator[Trouble]:
    """Yield the lanes with mail that their helpdesk, webhook or mailbox did not take."""
    for one in aside:
        lane, tenant = one.lane, tenants.get(one.lane.tenant)
        way = WAYS.get(lane.kind, f"the {lane.kind}")
        yield Trouble(
            cause=f"aside {lane.tenant} {lane.kind} {lane.name}",
            what=f"{lane.tenant}: {way} {lane.name} did not take mail, which is set aside",
            why=f"{_begun(one.reason.removeprefix(ASIDE_REASON))} ({one.recipients} so far). It"
            " is kept, and no customer is told.",
            fix=f"Mend that, then let all of it go on: {release_all(lane)}",
            command=f"gateway queue list --state held --tenant {lane.tenant}",
            since=now,
            tenant=lane.tenant,
            owner=tenant.owner or None if tenant else None,
        )


def differences(by_page: Mapping[str, int], *, now: datetime) -> Iterator[Trouble]:
    """Yield the pages of the books that do not balance."""
    for page, difference in by_page.items():
        if difference:
            yield Trouble(
                cause=f"books {page}",
                what=f"The books differ ({PAGES[page]})",
                why=f"Accepted less accounted for is {difference}; it must be 0.",
                fix="Keep a copy of gateway.db and report it with what gateway status prints.",
                command="gateway status",
                since=now,
            )


def full_store(reason: str | None, *, now: datetime) -> Iterator[Trouble]:
    """Yield that new mail is refused for want of room."""
    if reason:
        yield Trouble(
            cause="store full",
            what="New mail is answered 452: there is no room for it",
            why=f"In the state directory {reason}. What was accepted is safe and still leaves.",
            fix="Make room on the disk, or allow more by [retention] max_bytes.",
            command="gateway status",
            since=now,
        )


def ending_certificate(path: str, expires_at: datetime, *, now: datetime) -> Iterator[Trouble]:
    """Yield that the listeners' certificate ends within 14 days, or has ended."""
    if expires_at - now <= ANNOUNCED:
        day = expires_at.strftime("%Y-%m-%d %H:%M UTC")
        yield Trouble(
            cause=f"certificate {path}",
            what=f"The certificate of the listeners ends on {day}",
            why=f"{path} is not valid after that; helpdesks will not connect.",
            fix="Renew it and replace the files of [tls]: they are read again by themselves.",
            command=f"openssl x509 -noout -dates -in {path}",
            since=now,
        )


def broken_chains(
    faults: Mapping[tuple[str, str], Fault], tenants: Tenants, *, now: datetime
) -> Iterator[Trouble]:
    """Yield the policies that do not compile: a shared file once, not for each tenant."""
    for (id_, kind), fault in faults.items():
        if (tenant := tenants.get(id_)) is None:
            continue
        own = fault.file.startswith(f"tenants/{id_}/")
        yield Trouble(
            cause=f"policies {id_} {kind}" if own else f"policies {fault.file}",
            what=f"{id_ if own else 'All tenants'}: the {kind} policies do not compile",
            why=f"{fault.file}:{fault.line}: {fault.message}. The last good ones run; where"
            " there were none mail waits.",
            fix="Mend the file: a change is used within a second.",
            command="gateway policy check",
            since=now,
            tenant=id_ if own else None,
            owner=tenant.owner or None if own else None,
        )


def _begun(reason: str) -> str:
    """Return a reason as the beginning of a sentence."""
    return reason[:1].upper() + reason[1:]
