"""What became of a batch, and what follows from it: recorded in one transaction.

A crash can therefore not lose the bounce of a failure that was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from gateway import events
from gateway.delivery.bounce import notifications_for
from gateway.delivery.suppression import find_suppressions
from gateway.mail.delivery import Batch, Kind, Outgoing, Recorded, Result
from gateway.mail.tenant import Tenant
from gateway.store import given_up, journal, queue, suppressions, threads
from gateway.store.sqlite import Db

FollowUps = Callable[[Batch, Recorded, datetime], Sequence[Outgoing]]
"""What else is queued because of a record, such as the events for webhooks; pure."""


Learn = Callable[[Db, Batch, Recorded, datetime], None]
"""What else is remembered of a record, such as the ids that the upstream gave."""


class Record(Protocol):
    """Keeps results and what follows from them, in one transaction."""

    def __call__(
        self, db: Db, batch: Batch, results: Sequence[Result], *, now: datetime
    ) -> Recorded:
        """Return which deliveries this made final."""
        ...


class Outcomes:
    """Records results and what follows from them: notifications, events, dead addresses."""

    def __init__(
        self,
        *,
        find_tenant: Callable[[str], Tenant | None],
        hostname: str,
        follow_ups: FollowUps | None = None,
        learn: Learn | None = None,
    ) -> None:
        self._find_tenant = find_tenant
        self._hostname = hostname
        self._follow_ups = follow_ups
        self._learn = learn

    def record(
        self, db: Db, batch: Batch, results: Sequence[Result], *, now: datetime
    ) -> Recorded:
        """Keep what became of a batch; runs inside a transaction of the store."""
        return self._follow(db, batch, queue.record(db, batch, results, now=now), now=now)

    def give_up(self, db: Db, name: str, *, now: datetime) -> Recorded:
        """Fail what waits of a message, as a person wants it; raises Conflict."""
        batch, recorded = given_up.give_up(db, name, now=now)
        return self._follow(db, batch, recorded, now=now)

    def _follow(self, db: Db, batch: Batch, recorded: Recorded, *, now: datetime) -> Recorded:
        queued = [*self._notifications(batch, recorded, now)]
        _suppress(db, batch, recorded, now=now)
        if self._learn is not None:
            self._learn(db, batch, recorded, now)
        if self._follow_ups is not None:
            queued.extend(self._follow_ups(batch, recorded, now))
        for outgoing in queued:
            queue.accept(db, outgoing, now=now)
            if outgoing.kind is Kind.BOUNCE and batch.conversation is not None:
                threads.set_conversation(db, outgoing.id, batch.conversation)
        return replace(recorded, queued=tuple(queued))

    def _notifications(
        self, batch: Batch, recorded: Recorded, now: datetime
    ) -> Sequence[Outgoing]:
        tenant = self._find_tenant(batch.lane.tenant)
        if tenant is None:
            return ()
        return notifications_for(
            batch, recorded, tenant=tenant, hostname=self._hostname, now=now
        )


def report(batch: Batch, results: Sequence[Result], recorded: Recorded) -> None:
    """Say what was recorded, once it is on disk."""
    by_number = {one.number: one for one in batch.deliveries}
    for result in results:
        events.delivery_tried(batch=batch, delivery=by_number[result.delivery], result=result)
    for outgoing in recorded.queued:
        events.message_queued(outgoing=outgoing)
    if recorded.is_finished:
        events.message_finished(message_id=batch.message)


def _suppress(db: Db, batch: Batch, recorded: Recorded, *, now: datetime) -> None:
    for entry in find_suppressions(batch, recorded.failed, now=now):
        suppressions.suppress(db, entry, now=now)
        journal.write(
            db,
            batch.message,
            "recipient.suppressed",
            now=now,
            recipient=entry.address,
            expires_on=str(entry.expires_on),
            fix=f"if the address works again: {entry.remove_command}",
        )
