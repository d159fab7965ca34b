"""Which addresses a hard bounce proves to be dead: pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.delivery.verdict import failure_class
from gateway.mail.delivery import Batch, Delivery, LaneKind, Phase, Result
from gateway.mail.reply import Outcome
from gateway.mail.suppression import Suppression, SuppressionReason

LASTS = timedelta(days=90)  # mailboxes are opened again, and given to somebody else
MAX_WORDS = 300  # characters of a reply that are kept as evidence


def find_suppressions(
    batch: Batch, failures: Sequence[tuple[Delivery, Result]], *, now: datetime
) -> list[Suppression]:
    """Return an entry for each recipient whose own server said for good that it is dead."""
    if batch.lane.kind is not LaneKind.UPSTREAM:
        return []
    return [
        Suppression(
            tenant=batch.lane.tenant,
            address=delivery.recipient.address.key,
            reason=SuppressionReason.RECIPIENT_DEAD,
            evidence=f"{result.attempt.reply.as_line()[:MAX_WORDS]} (message {batch.message})",
            expires_on=(now + LASTS).date(),
        )
        for delivery, result in failures
        if _is_dead(batch, result)
    ]


def _is_dead(batch: Batch, result: Result) -> bool:
    """A reply to the content of a mail for several people is about none of them alone."""
    reply = result.attempt.reply
    if result.give_up or reply.outcome is not Outcome.FAILED:
        return False
    is_of_one = result.attempt.phase is Phase.RCPT or len(batch.deliveries) == 1
    return is_of_one and failure_class(result.verdict, reply) == "recipient-dead"
