"""Takes a complaint in: who complained is written to no more, and the tenant is told.

A complaint counts only when the mail that it names is one that the tenant sent: else anybody
could stop a tenant's mail to anybody. What is done here is one transaction with the Plan of
the report, so it is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.actions.event import write_event
from gateway.actions.feedback import Complaint
from gateway.mail.address import parse_address
from gateway.mail.delivery import Outgoing
from gateway.mail.inbound import Fetched
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.mail.tenant import Tenant
from gateway.store import journal, queue, suppressions
from gateway.store.sent import Sent, find_sent
from gateway.store.sqlite import Db

FindOurs = Callable[[Db, str, str], str | None]
"""Returns the Message-ID that we know a tenant's mail by, for one that an upstream gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A complaint, the message that brought it, and on whose mail."""

    complaint: Complaint
    fetched: Fetched
    tenant: Tenant
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a report: our id of the mail, whom it is about, the events queued."""

    about: str | None = None
    recipients: tuple[str, ...] = ()
    told: tuple[Outgoing, ...] = ()


def take_complaint(db: Db, report: Report, *, find_ours: FindOurs) -> Taken:
    """Suppress who complained, journal it with both messages, queue the events of it."""
    sent = _find_sent(db, report, find_ours)
    kind = report.complaint.kind
    if sent is None:
        journal.write(
            db, report.fetched.id, "complaint.unmatched", now=report.now, feedback_type=kind
        )
        return Taken()
    people = find_complainants(report.complaint, sent.recipients)
    journal.write(
        db, report.fetched.id, "complaint.taken", now=report.now, feedback_type=kind,
        about=sent.id, recipients=list(people),
    )  # fmt: skip
    told: list[Outgoing] = []
    for recipient in people or (None,):
        _note(db, report, sent, recipient)
        data = _event_data(report, sent, recipient)
        told += write_event(
            report.tenant, "message.complained", data, now=report.now, origin=sent.id
        )
    for outgoing in told:
        queue.accept(db, outgoing, now=report.now)
    return Taken(about=sent.id, recipients=people, told=tuple(told))


def find_complainants(complaint: Complaint, recipients: Sequence[str]) -> tuple[str, ...]:
    """Return which recipients of a mail complained (pure); none when that cannot be known.

    The only recipient did, whatever name is told: it is redacted, or of a mailbox to which
    theirs forwards.
    """
    if len(recipients) == 1:
        return tuple(recipients)
    named = {one.key for one in complaint.recipients}
    return tuple(one for one in recipients if parse_address(one).key in named)


def _find_sent(db: Db, report: Report, find_ours: FindOurs) -> Sent | None:
    tenant = report.tenant.id
    for id_ in report.complaint.ids:
        for name in (id_, find_ours(db, tenant, id_)):
            if name and (sent := find_sent(db, tenant=tenant, message_id=name)):
                return sent
    return None


def _note(db: Db, report: Report, sent: Sent, recipient: str | None) -> None:
    """Journal a complaint with the mail that it is about, and suppress who complained."""
    about = {"feedback_type": report.complaint.kind, "report": report.fetched.id}
    if recipient is None:
        meaning = "A recipient marked the message as unwanted; the report does not say who."
        journal.write(
            db, sent.id, "message.complained", now=report.now, meaning=meaning, **about
        )
        return
    by = f" by {report.complaint.reporter}" if report.complaint.reporter else ""
    entry = Suppression(
        tenant=report.tenant.id,
        address=parse_address(recipient).key,
        reason=SuppressionReason.COMPLAINT,
        evidence=f"{report.complaint.kind} reported{by} in {report.fetched.id}"
        f" (message {sent.id})",
    )
    suppressions.suppress(db, entry, now=report.now)
    journal.write(
        db, sent.id, "message.complained", now=report.now, recipient=recipient,
        fix=f"if they want your mail again: {entry.remove_command}", **about,
    )  # fmt: skip


def _event_data(report: Report, sent: Sent, recipient: str | None) -> dict[str, object]:
    return {
        "id": sent.id,
        "tenant": report.tenant.id,
        "message_id": sent.message_id,
        "conversation": sent.conversation,
        "recipient": recipient,
        "feedback_type": report.complaint.kind,
        "reporter": report.complaint.reporter or None,
        "mailbox": report.fetched.mailbox,
        "report": report.fetched.id,
    }
