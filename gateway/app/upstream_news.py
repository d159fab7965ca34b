"""Tells webhooks that mail does not leave by an upstream, and when it does again.

Whoever pauses or opens it (the scheduler, a person, a new password) changes its lane in the
store. What was told of it is kept there too, in one transaction with the events, so each
change that lasts for a second is told once, whatever ends in between.
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
from gateway.store.lanes import LaneState, lane_states
from gateway.store.sqlite import Db

LOOK_SECONDS = 1.0
EVENT = "upstream.state_changed"
TOLD = "upstream paused by "  # sign-in | person | quota


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    paused: dict[str, LaneState]  # by lane, upstreams alone
    told: dict[str, str]  # by lane, who had paused it


class UpstreamNews:
    """Compares the upstreams that are paused with those that were told to be."""

    def __init__(self, base: Foundation) -> None:
        self._base = base

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look(now=datetime.now(UTC))
            except StoreError as error:  # such as a full disk: it may pass
                events.task_failed(task="tell of upstreams", error=error)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, *, now: datetime) -> None:
        """Tell what is not as it was told; another reason is told anew."""
        seen = await self._base.store.read(_see)
        for name, by in seen.told.items():
            state = seen.paused.get(name)
            if state is None or state.paused_by != by:
                told = [] if state else self._events(_lane(name), None, now=now)
                await self._base.store.write(
                    reminders.end, name, TOLD + by, outgoing=told, now=now
                )
        for name, state in seen.paused.items():
            tenant = self._base.directory.find_tenant(state.lane.tenant)
            if tenant is not None and seen.told.get(name) != state.paused_by:
                await self._tell(name, state, now=now)

    async def _tell(self, name: str, state: LaneState, *, now: datetime) -> None:
        reminder = Reminder(
            about=name, kind=f"{TOLD}{state.paused_by}", reason=state.reason or "",
            fix=state.fix or "",
        )  # fmt: skip
        told = self._events(state.lane, state, now=now)
        await self._base.store.write(reminders.tell, reminder, outgoing=told, mails=(), now=now)

    def _events(self, lane: Lane, state: LaneState | None, *, now: datetime) -> list[Outgoing]:
        tenant = self._base.directory.find_tenant(lane.tenant)
        if tenant is None:
            return []
        data = {
            "tenant": lane.tenant,
            "upstream": lane.name,
            "state": "paused" if state else "open",
            "paused_by": state.paused_by if state else None,
            "reason": state.reason if state else None,
            "fix": state.fix if state else None,
        }
        return write_event(tenant, EVENT, data, now=now)


def _see(db: Db) -> _Seen:
    upstreams = [
        one
        for one in lane_states(db)
        if one.paused_by is not None and one.lane.kind is LaneKind.UPSTREAM
    ]
    return _Seen(
        paused={str(one.lane): one for one in upstreams},
        told={
            about: kind.removeprefix(TOLD)
            for about, kinds in reminders.told(db).items()
            for kind in kinds
            if kind.startswith(TOLD)
        },
    )


def _lane(name: str) -> Lane:
    tenant, kind, upstream = name.split("/", 2)
    return Lane(tenant, LaneKind(kind), upstream)
