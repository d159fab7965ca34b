"""What became of a batch -> delivery status notifications for the tenant's route: pure.

RFC 3461 says who is told what: of a failure whoever did not ask for silence, of a delay and
of the end of our part whoever asked. There is no direct path to the sender: without a route
a failure is an event and a journal entry. Nothing is written to a null sender or about a
notification, so none ever answers another.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gateway.delivery.report import Action, Report, Told, write_report
from gateway.mail.address import parse_address
from gateway.mail.delivery import (
    OF_SENDERS,
    Batch,
    Delivery,
    Kind,
    Lane,
    LaneKind,
    Outgoing,
    Recorded,
)
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.message import parse_message
from gateway.mail.tenant import Tenant


def notifications_for(
    batch: Batch, recorded: Recorded, *, tenant: Tenant, hostname: str, now: datetime
) -> list[Outgoing]:
    """Return the notifications of what was recorded of `batch`, one for each action."""
    route = tenant.routes.get(tenant.route or "")
    sender = batch.envelope.return_path
    if route is None or sender is None or batch.lane.kind not in OF_SENDERS:
        return []
    to = parse_address(route.to) if route.to else sender
    lane = Lane(tenant.id, LaneKind.ROUTE, route.name)
    reports = _reports(batch, recorded, hostname=hostname, now=now)
    return [_outgoing(one, lane, Recipient(to, notify="NEVER")) for one in reports]


def _reports(
    batch: Batch, recorded: Recorded, *, hostname: str, now: datetime
) -> Iterator[Report]:
    for action, told in _told(recorded):
        if told and not _is_notification(batch.content):
            yield Report(
                action=action,
                batch=batch,
                told=told,
                message_id=f"<{new_id()}@{hostname}>",
                hostname=hostname,
                at=now,
            )


def _told(recorded: Recorded) -> Iterator[tuple[Action, Told]]:
    """Yield whom the sender is told of (RFC 3461 §5.2.2, §5.2.5, §5.2.6).

    A server that was handed NOTIFY tells of success itself, when the mail arrives.
    """
    yield Action.FAILED, [one for one in recorded.failed if _asked(one[0], "FAILURE")]
    yield Action.DELAYED, [one for one in recorded.delayed if _asked(one[0], "DELAY")]
    relayed = [one for one in recorded.delivered if not one[1].attempt.dsn_offered]
    yield Action.RELAYED, [one for one in relayed if _asked(one[0], "SUCCESS")]


def _outgoing(report: Report, lane: Lane, recipient: Recipient) -> Outgoing:
    content = write_report(report)
    return Outgoing(
        id=report.message_id[1:].partition("@")[0],
        tenant=lane.tenant,
        lane=lane,
        kind=Kind.BOUNCE,
        envelope=Envelope(
            return_path=None,  # RFC 5321 §4.5.5
            recipients=(recipient,),
            body_8bit=not content.isascii(),
        ),
        content=content,
        message_id=report.message_id,
        header_from=f"mailer-daemon@{report.hostname}",
        origin=report.batch.message,
    )


def _asked(delivery: Delivery, word: str) -> bool:
    """RFC 3461 §4.1: without NOTIFY a failure is told; with it, what is named."""
    notify = delivery.recipient.notify
    return word == "FAILURE" if notify is None else word in notify.upper().split(",")


def _is_notification(content: bytes) -> bool:
    """A sender other than the null one does not make a notification a letter."""
    kind = parse_message(content).text("Content-Type").casefold()
    return kind.startswith("multipart/report") and "delivery-status" in kind
