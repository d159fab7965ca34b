"""Tells webhooks that mail does not leave by an upstream or a route, and when it does again.

Whoever pauses or opens an upstream (the scheduler, a person, a new password) changes its lane
in the store; what a route did not take is held there. What was told of it is kept there too,
in one transaction with the events, so each change that lasts for a second is told once, not
once a mail, whatever ends in between.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway import events
from gateway.actions.event import write_event
from gateway.app.foundation import Foundation
from gateway.mail.delivery import Lane, LaneKind, Outgoing
from gateway.mail.trouble import Reminder
from gateway.store import reminders
from gateway.store.errors import StoreError
from gateway.store.lanes import lane_states
from gateway.store.sqlite import Db
from gateway.store.waiting import ASIDE_REASON, held_aside, release_all

LOOK_SECONDS = 1.0
PAUSED = "upstream paused by "  # sign-in | person | quota
ASIDE = "route set aside"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Halt:
    """Why mail does not go by a lane; the reason and the fix are for people."""

    lane: Lane
    kind: str  # by which it is told once
    reason: str | None
    fix: str | None
    message: str | None = None  # of a route: the first that it did not take


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    halts: dict[str, _Halt]  # by lane
    told: dict[str, str]  # by lane, the kind that was told


class WayNews:
    """Compares the ways on which mail does not go with those that were told of."""

    def __init__(self, base: Foundation) -> None:
        self._base = base

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look(now=datetime.now(UTC))
            except StoreError as error:  # such as a full disk: it may pass
                events.task_failed(task="tell of ways out", error=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, *, now: datetime) -> None:
        """Tell what is not as it was told; another reason of a pause is told anew."""
        seen = await self._base.store.read(_see)
        for name, kind in seen.told.items():
            halt = seen.halts.get(name)
            if halt is None or halt.kind != kind:
                told = [] if halt else self._events(_lane(name), None, now=now)
                await self._base.store.write(reminders.end, name, kind, outgoing=told, now=now)
        for name, halt in seen.halts.items():
            tenant = self._base.directory.find_tenant(halt.lane.tenant)
            if tenant is not None and seen.told.get(name) != halt.kind:
                await self._tell(name, halt, now=now)

    async def _tell(self, name: str, halt: _Halt, *, now: datetime) -> None:
        reminder = Reminder(
            about=name, kind=halt.kind, reason=halt.reason or "", fix=halt.fix or ""
        )
        told = self._events(halt.lane, halt, now=now)
        await self._base.store.write(reminders.tell, reminder, outgoing=told, mails=(), now=now)

    def _events(self, lane: Lane, halt: _Halt | None, *, now: datetime) -> list[Outgoing]:
        tenant = self._base.directory.find_tenant(lane.tenant)
        if tenant is None:
            return []
        data = {
            "tenant": lane.tenant,
            lane.kind.value: lane.name,
            "state": "open",
            "reason": halt.reason if halt else None,
            "fix": halt.fix if halt else None,
        }
        if lane.kind is LaneKind.UPSTREAM:
            by = halt.kind.removeprefix(PAUSED) if halt else None
            data |= {"state": "paused" if halt else "open", "paused_by": by}
        else:
            first = halt.message if halt else None
            data |= {"state": "set-aside" if halt else "open", "message": first}
        return write_event(tenant, f"{lane.kind}.state_changed", data, now=now)


def _see(db: Db) -> _Seen:
    told = {
        about: kind
        for about, kinds in reminders.told(db).items()
        for kind in kinds
        if kind.startswith((PAUSED, ASIDE))
    }
    halts = [*_paused_upstreams(db), *_refusing_routes(db)]
    return _Seen(halts={str(one.lane): one for one in halts}, told=told)


def _paused_upstreams(db: Db) -> list[_Halt]:
    return [
        _Halt(lane=one.lane, kind=f"{PAUSED}{one.paused_by}", reason=one.reason, fix=one.fix)
        for one in lane_states(db)
        if one.paused_by is not None and one.lane.kind is LaneKind.UPSTREAM
    ]


def _refusing_routes(db: Db) -> list[_Halt]:
    return [
        _Halt(
            lane=one.lane,
            kind=ASIDE,
            reason=one.reason.removeprefix(ASIDE_REASON),
            fix=release_all(one.lane),
            message=one.message,
        )
        for one in held_aside(db)
        if one.lane.kind is LaneKind.ROUTE
    ]


def _lane(name: str) -> Lane:
    tenant, kind, way = name.split("/", 2)
    return Lane(tenant, LaneKind(kind), way)
