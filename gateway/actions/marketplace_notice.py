"""A notice of Amazon that a mail to a buyer was not passed on: a mail, never a reply.

Amazon drops our Message-ID, so the mail is known by its subject, among the newest to buyers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from gateway.actions.event import write_event
from gateway.actions.marketplace import OF_AMAZON
from gateway.actions.parts import read_parts
from gateway.actions.reported import Arrival, Taken
from gateway.mail.inbound import Authenticity
from gateway.mail.marketplace import PREFIX, is_alias
from gateway.mail.message import parse_message
from gateway.providers.catalogue import Provider
from gateway.providers.diagnosis import Diagnosis, diagnose
from gateway.store import journal, queue, sent
from gateway.store.sent import Sent
from gateway.store.sqlite import Db

CHANNEL = "amazon-buyer-messages"
COMES_WITHIN = timedelta(days=7)
MAX_LOOKED_AT = 64 * 1024  # characters
MAX_SHOWN = 200
OUR_ACCOUNT = frozenset({"sender-not-authorised-amazon", "sending-blocked"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What Amazon says, and what it means."""

    diagnosis: Diagnosis
    said: str  # subject and text, folded


def read_notice(
    content: bytes, authenticity: Authenticity, catalogue: Mapping[str, Provider]
) -> Notice | None:
    """Return the notice in a mail that is proven to be Amazon's own, or None (pure)."""
    author = authenticity.proven
    if is_alias(author) or not OF_AMAZON.fullmatch(author.rpartition("@")[2]):
        return None
    said = f"{parse_message(content).text('Subject')} {read_parts(content).text}"
    folded = _folded(said[:MAX_LOOKED_AT])
    found = diagnose(catalogue[CHANNEL], catalogue, phase="bounce", code="text", text=folded)
    return Notice(diagnosis=found, said=folded) if found.listed else None


def take_notice(db: Db, notice: Notice, arrival: Arrival) -> Taken:
    """Journal a notice with the mail that it is about, and queue the events of it."""
    tenant, report, now = arrival.tenant, arrival.fetched.id, arrival.now
    newest = sent.find_newest(db, tenant=tenant.id, domain=PREFIX, since=now - COMES_WITHIN)
    about = next((one for one in newest if _is_named(one, notice)), None)
    if about is None:
        return Taken()
    found, recipient = notice.diagnosis, about.recipients[0]
    journal.write(
        db, about.id, "message.bounced", now=now, recipient=recipient, cause=found.cause,
        meaning=found.meaning, fix=found.fix, report=report,
    )  # fmt: skip
    data = {
        "id": about.id,
        "tenant": tenant.id,
        "message_id": about.message_id,
        "conversation": about.conversation,
        "conversation_ref": about.conversation_ref,
        "recipient": recipient,
        "class": "our-account" if found.cause in OUR_ACCOUNT else "policy",
        "code": None,
        "text": notice.said[:MAX_SHOWN],
        "fix": found.fix,
        "report": report,
    }
    told = write_event(tenant, "message.bounced", data, now=now, origin=about.id)
    for outgoing in told:
        queue.accept(db, outgoing, now=now)
    return Taken(about=about.id, recipients=(recipient,), told=tuple(told))


def _is_named(mail: Sent, notice: Notice) -> bool:
    subject = _folded(parse_message(mail.content).text("Subject"))
    while subject.startswith("re:"):
        subject = subject[3:].lstrip()
    return bool(subject) and subject in notice.said


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
