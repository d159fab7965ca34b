"""Submitted mail that a policy held goes on: by the other policies, to its sender, nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway import events
from gateway.app.foundation import Foundation
from gateway.app.policies import CurrentChains
from gateway.app.submissions import Judged, Submissions, tell
from gateway.delivery.outcome import Record
from gateway.mail.delivery import Attempt, Batch, Decision, Phase, Result, Verdict
from gateway.mail.plan import Plan
from gateway.mail.reply import Reply
from gateway.policy.outgoing import refusal
from gateway.store import marks, outbound_holds, people
from gateway.store.errors import StoreError
from gateway.store.outbound_holds import Ending
from gateway.store.sqlite import Db

LOOK_EVERY_SECONDS = 1.0
FAILED = "the policies behind the one that held it could not judge it: see the log"
LEASE = timedelta(minutes=1)  # it ends in the transaction that takes it


class HeldSubmissions:
    """Ends holds when their time is over, and carries out how those that ended go on."""

    def __init__(
        self,
        base: Foundation,
        chains: CurrentChains,
        *,
        record: Record,
        queued: Callable[[], None],
    ) -> None:
        """`record` keeps that a message failed; `queued` is called when something may go."""
        self._base = base
        self._submissions = Submissions(base, chains)
        self._record = record
        self._queued = queued

    async def run(self) -> None:
        """Look once a second until cancelled; what is not carried out is tried again."""
        try:
            while True:
                try:
                    await self._look(datetime.now(UTC))
                except StoreError as error:  # it may pass
                    events.task_failed(task="held submissions", error=error)
                await asyncio.sleep(LOOK_EVERY_SECONDS)
        finally:
            self._submissions.close()

    async def _look(self, now: datetime) -> None:
        store = self._base.store
        if await store.read(outbound_holds.due, now=now):
            await store.write(outbound_holds.end_due, now=now)
        for id_ in await store.read(outbound_holds.ending):
            ended = await store.read(outbound_holds.load, id_, now=now)
            if ended is not None and await self._try(ended, now=now):
                self._queued()

    async def _try(self, ended: Ending, *, now: datetime) -> bool:
        """Carry out how a hold ends; what fails on the message holds it again."""
        try:
            return await self._go_on(ended, now=now)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a message must not stop the others
            events.work_failed(message_id=ended.outgoing.id, error=error)
            await self._base.store.write(outbound_holds.hold_again, ended, reason=FAILED)
            return False

    async def _go_on(self, ended: Ending, *, now: datetime) -> bool:
        """Carry out how a hold ends; False while the policies do not compile."""
        store = self._base.store
        if ended.then == outbound_holds.DISCARD:
            await store.write(_discard, ended, now=now)
        elif ended.then == outbound_holds.REJECT:
            await self._refuse(ended, refusal(ended.hold), now=now)
        else:
            judged = await self._submissions.judge(ended.outgoing, now=now, hold=ended.hold)
            if isinstance(judged, Reply) and judged.code // 100 != 5:
                return False
            if isinstance(judged, Reply):
                await self._refuse(ended, judged, now=now)
            else:
                await store.write(_keep_on, ended, judged, now=now)
        return True

    async def _refuse(self, ended: Ending, reply: Reply, *, now: datetime) -> None:
        """Tell its sender that it failed; the session in which it came is long over."""
        host = self._base.settings.server.hostname
        await self._base.store.write(
            _fail, ended, reply, host=host, record=self._record, now=now
        )


def _keep_on(db: Db, ended: Ending, judged: Judged, *, now: datetime) -> None:
    plan = _with_trace_before(ended, judged.plan or Plan(effects=(), version=""))
    outbound_holds.keep_on(db, ended, judged.outgoing, plan, now=now)
    marks.add(db, judged.marked, seen_to=judged.seen_to, now=now)
    tell(db, judged, now=now)
    if judged.discarded_by:
        people.discard(db, judged.outgoing.id, rule=judged.discarded_by, now=now)


def _with_trace_before(ended: Ending, plan: Plan) -> Plan:
    """What ran before the hold stays to be explained."""
    return replace(plan, trace=(*ended.plan.trace, *plan.trace))


def _discard(db: Db, ended: Ending, *, now: datetime) -> None:
    rule = f"{ended.hold.file}:{ended.hold.line}"
    outbound_holds.discard(db, ended, rule=rule, now=now)


def _fail(
    db: Db, ended: Ending, reply: Reply, *, host: str, record: Record, now: datetime
) -> None:
    batch = outbound_holds.take(db, ended, now=now, lease=LEASE)
    record(db, batch, _refused(batch, reply, host=host, now=now), now=now)


def _refused(batch: Batch, reply: Reply, *, host: str, now: datetime) -> list[Result]:
    verdict = Verdict(
        decision=Decision.FAIL,
        cause="policy",
        meaning="A policy of the gateway held the message and then rejected it.",
    )
    attempt = Attempt(at=now, host=host, phase=Phase.DATA, reply=reply)
    return [
        Result(delivery=one.number, attempt=attempt, verdict=verdict, next_attempt_at=None)
        for one in batch.deliveries
    ]
