"""What a tenant's webhooks are told of a delivery: delivered, delayed, bounced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from gateway.actions.event import write_event
from gateway.delivery.verdict import failure_class
from gateway.mail.delivery import OF_SENDERS, Batch, Delivery, Outgoing, Recorded, Result
from gateway.mail.tenant import Tenant


class Notices:
    """Writes the events that follow from what was recorded of an upstream's answers."""

    def __init__(self, find_tenant: Callable[[str], Tenant | None]) -> None:
        self._find_tenant = find_tenant

    def follow_ups(self, batch: Batch, recorded: Recorded, now: datetime) -> Sequence[Outgoing]:
        """Return the events of a batch; of routes and hooks there are none."""
        tenant = self._find_tenant(batch.lane.tenant)
        if tenant is None or batch.lane.kind not in OF_SENDERS:
            return ()
        return [
            outgoing
            for type_, data in _told(batch, recorded)
            for outgoing in write_event(tenant, type_, data, now=now, origin=batch.message)
        ]


def _told(batch: Batch, recorded: Recorded) -> Iterator[tuple[str, dict[str, Any]]]:
    for delivery, result in recorded.delivered:
        yield "message.delivered", _facts(batch, delivery, result)
    for delivery, result in recorded.failed:
        class_ = failure_class(result.verdict, result.attempt.reply)
        yield "message.bounced", {"class": class_} | _facts(batch, delivery, result)
    for delivery, result in recorded.delayed:
        yield "message.deferred", _facts(batch, delivery, result)


def _facts(batch: Batch, delivery: Delivery, result: Result) -> dict[str, Any]:
    reply = result.attempt.reply
    return {
        "id": batch.message,
        "tenant": batch.lane.tenant,
        "message_id": batch.message_id,
        "conversation": batch.conversation,
        "conversation_ref": batch.conversation_ref,
        "sequence": batch.sequence,
        "recipient": str(delivery.recipient.address),
        "code": reply.code,
        "text": reply.phrase,
    }
