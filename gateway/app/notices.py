"""What a tenant's webhooks are told of a delivery: delivered, delayed, bounced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.actions.event import write_event
from gateway.delivery.verdict import failure_class
from gateway.mail.delivery import (
    Batch,
    Decision,
    Delivery,
    LaneKind,
    Outgoing,
    Recorded,
    Result,
)
from gateway.mail.tenant import Tenant

DELAY = timedelta(hours=4)  # RFC 5321 §4.5.4.1: a sender is told of a delay of some hours
WAITS = (Decision.DEFER, Decision.SLOW_DOWN, Decision.WAIT_QUOTA, Decision.UNKNOWN)


class Notices:
    """Writes the events that follow from what was recorded of an upstream's answers."""

    def __init__(self, find_tenant: Callable[[str], Tenant | None]) -> None:
        self._find_tenant = find_tenant

    def follow_ups(
        self, batch: Batch, results: Sequence[Result], recorded: Recorded, now: datetime
    ) -> Sequence[Outgoing]:
        """Return the events of a batch; of routes and hooks there are none."""
        tenant = self._find_tenant(batch.lane.tenant)
        if tenant is None or batch.lane.kind is not LaneKind.UPSTREAM:
            return ()
        failed = {one.number for one, _ in recorded.failed}
        by_number = {one.number: one for one in batch.deliveries}
        return [
            outgoing
            for result in results
            for type_, data in _told(batch, by_number[result.delivery], result, failed=failed)
            for outgoing in write_event(tenant, type_, data, now=now, origin=batch.message)
        ]


def _told(
    batch: Batch, delivery: Delivery, result: Result, *, failed: set[int]
) -> Iterator[tuple[str, dict[str, Any]]]:
    reply = result.attempt.reply
    data = {
        "id": batch.message,
        "tenant": batch.lane.tenant,
        "message_id": batch.message_id,
        "recipient": str(delivery.recipient.address),
        "code": reply.code,
        "text": reply.phrase,
    }
    if result.verdict.decision is Decision.DELIVERED:
        yield "message.delivered", data
    elif delivery.number in failed:
        yield "message.bounced", {"class": failure_class(result.verdict, reply)} | data
    elif result.verdict.decision in WAITS and _is_late(delivery, result):
        yield "message.deferred", data


def _is_late(delivery: Delivery, result: Result) -> bool:
    """Told once: when the next try comes after the delay and this one came before it."""
    at = timedelta(seconds=delivery.sendable_seconds)
    wait = (result.next_attempt_at or result.attempt.at) - result.attempt.at
    return at < DELAY <= at + wait
