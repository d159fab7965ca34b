"""Takes a complaint in: who complained is written to no more, and the tenant is told.

A complaint counts only when the mail that it names is one that the tenant sent: else anybody
could stop a tenant's mail to anybody. What is done here is one transaction with the Plan of
the report, so it is done once.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.actions.event import write_event
from gateway.actions.feedback import Complaint
from gateway.actions.reported import Arrival, Taken, find_reported
from gateway.mail.address import parse_address
from gateway.mail.delivery import Outgoing
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.store import journal, queue, suppressions
from gateway.store.sent import Sent
from gateway.store.sqlite import Db


def take_complaint(db: Db, complaint: Complaint, arrival: Arrival) -> Taken:
    """Suppress who complained, journal it with both messages, queue the events of it."""
    sent = find_reported(db, complaint.ids, arrival)
    report, now = arrival.fetched.id, arrival.now
    if sent is None:
        journal.write(db, report, "complaint.unmatched", now=now, feedback_type=complaint.kind)
        return Taken()
    people = find_complainants(complaint, sent.recipients)
    journal.write(
        db, report, "complaint.taken", now=now, feedback_type=complaint.kind, about=sent.id,
        recipients=list(people),
    )  # fmt: skip
    told: list[Outgoing] = []
    for recipient in people or (None,):
        _note(db, complaint, arrival, sent=sent, recipient=recipient)
        data = _event_data(complaint, arrival, sent=sent, recipient=recipient)
        told += write_event(arrival.tenant, "message.complained", data, now=now, origin=sent.id)
    for outgoing in told:
        queue.accept(db, outgoing, now=now)
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


def _note(
    db: Db, complaint: Complaint, arrival: Arrival, *, sent: Sent, recipient: str | None
) -> None:
    """Journal a complaint with the mail that it is about, and suppress who complained."""
    report, now = arrival.fetched.id, arrival.now
    about = {"feedback_type": complaint.kind, "report": report}
    if recipient is None:
        meaning = "A recipient marked the message as unwanted; the report does not say who."
        journal.write(db, sent.id, "message.complained", now=now, meaning=meaning, **about)
        return
    by = f" by {complaint.reporter}" if complaint.reporter else ""
    entry = Suppression(
        tenant=arrival.tenant.id,
        address=parse_address(recipient).key,
        reason=SuppressionReason.COMPLAINT,
        evidence=f"{complaint.kind} reported{by} in {report} (message {sent.id})",
    )
    suppressions.suppress(db, entry, now=now)
    journal.write(
        db, sent.id, "message.complained", now=now, recipient=recipient,
        fix=f"if they want your mail again: {entry.remove_command}", **about,
    )  # fmt: skip


def _event_data(
    complaint: Complaint, arrival: Arrival, *, sent: Sent, recipient: str | None
) -> dict[str, object]:
    return {
        "id": sent.id,
        "tenant": arrival.tenant.id,
        "message_id": sent.message_id,
        "conversation": sent.conversation,
        "conversation_ref": sent.conversation_ref,
        "recipient": recipient,
        "feedback_type": complaint.kind,
        "reporter": complaint.reporter or None,
        "mailbox": arrival.fetched.mailbox,
        "report": arrival.fetched.id,
    }
