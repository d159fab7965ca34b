"""A bounce that comes later: a server took a mail and writes that it could not be delivered.

A delivery status notification in a mailbox (RFC 3464), about a mail that the tenant sent: the
attached header names it. `returned` reads those that are for people alone. Nothing is bounced
by us for it: the mail goes on to the helpdesk as the policies say, and the recipient's failure
is told as one at the sending would be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from gateway.actions.event import write_event
from gateway.actions.feedback import MAX_READ_BYTES, ids_of_attached, report_type
from gateway.actions.letter import plain
from gateway.actions.parts import read_parts
from gateway.actions.reported import Arrival, Taken, find_reported
from gateway.mail.address import parse_address
from gateway.mail.delivery import Outgoing
from gateway.mail.message import Message, parse_message
from gateway.mail.reply import Reply, parse_reply
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.store import journal, queue, suppressions
from gateway.store.sent import Sent
from gateway.store.sqlite import Db

STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")  # RFC 6533 §3
BLOCKS = re.compile(rb"\r?\n(?:[ \t]*\r?\n)+")
DEAD = "recipient-dead"
LASTS = timedelta(days=90)  # as after a failure at the sending
MAX_FAILURES = 100
MAX_SHOWN = 300

Classify = Callable[[Reply], str]
"""Returns the class of a final reply of a recipient's server: recipient-dead, policy, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One recipient that was not delivered to, by every name it has, and the words for it."""

    names: frozenset[str]  # keys: as the sender wrote it, as it was at last
    reply: Reply
    class_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """What a notification says; `ids` are those of the mail, with angle brackets."""

    failures: tuple[Failure, ...]
    ids: tuple[str, ...]
    names_failed: bool = True  # False: it names recipients, not which of them failed
    by_recipient: bool = False  # the ids are not of its own words: `nameless` found the mail


def read_undelivered(content: bytes, *, classify: Classify) -> Undelivered | None:
    """Return the failures that a message tells of (pure); None: it tells of none."""
    if report_type(parse_message(content)) != "delivery-status":
        return None
    attachments = read_parts(content[:MAX_READ_BYTES]).attachments
    statuses = [one.content for one in attachments if one.type in STATUS_TYPES]
    blocks = [parse_message(block.lstrip()) for one in statuses for block in BLOCKS.split(one)]
    failures = [found for one in blocks[:MAX_FAILURES] if (found := _failure(one, classify))]
    if not failures:
        return None
    return Undelivered(failures=tuple(failures), ids=ids_of_attached(attachments))


def take_undelivered(db: Db, undelivered: Undelivered, arrival: Arrival) -> Taken:
    """Journal each failure with its mail, suppress who is dead, queue the events of it."""
    about = find_reported(db, undelivered.ids, arrival)
    if about is None:
        return Taken()
    told: list[Outgoing] = []
    matched = _matched(undelivered, about)
    for failure, recipient in matched:
        _note(db, failure, recipient, about=about, arrival=arrival)
        if not undelivered.by_recipient:
            _suppress(db, failure, recipient, about=about, arrival=arrival)
        data = {
            "id": about.id,
            "tenant": arrival.tenant.id,
            "message_id": about.message_id,
            "conversation": about.conversation,
            "conversation_ref": about.conversation_ref,
            "recipient": recipient,
            "class": failure.class_,
            "code": failure.reply.code,
            "text": failure.reply.phrase[:MAX_SHOWN],
            "report": arrival.fetched.id,
            "matched_by": "recipient" if undelivered.by_recipient else "message-id",
        }
        told += write_event(
            arrival.tenant, "message.bounced", data, now=arrival.now, origin=about.id
        )
    for outgoing in told:
        queue.accept(db, outgoing, now=arrival.now)
    recipients = tuple(recipient for _, recipient in matched)
    return Taken(about=about.id, recipients=recipients, told=tuple(told))


def _failure(block: Message, classify: Classify) -> Failure | None:
    """Return what a block of fields says of one recipient (RFC 3464 §2.3)."""
    if plain(block.text("Action")).casefold() != "failed":
        return None
    status = plain(block.text("Status")).partition(" ")[0]
    said = plain(block.text("Diagnostic-Code")).partition(";")[2].strip()[:MAX_SHOWN]
    code, _, text = said.partition(" ")
    is_smtp = len(code) == 3 and code.isascii() and code.isdigit()
    reply = parse_reply(int(code), text) if is_smtp else Reply(550, None, said)
    if reply.enhanced is None:
        reply = Reply(reply.code, status or None, reply.text)
    names = frozenset(_names(block))
    return Failure(names=names, reply=reply, class_=classify(reply)) if names else None


def _names(block: Message) -> Iterator[str]:
    for name in ("Original-Recipient", "Final-Recipient"):
        with suppress(ValueError):
            address = plain(block.text(name)).rpartition(";")[2].strip(" <>")
            yield parse_address(address).key


def _matched(undelivered: Undelivered, about: Sent) -> list[tuple[Failure, str]]:
    """Pair each failure with the recipient of the mail that it is of.

    The only recipient may have another name there: that of where its mail is forwarded.
    """
    pairs = [
        (failure, recipient)
        for recipient in about.recipients
        for failure in undelivered.failures
        if undelivered.names_failed and parse_address(recipient).key in failure.names
    ]
    if not pairs and len(about.recipients) == 1:
        return [(undelivered.failures[0], about.recipients[0])]
    return list({recipient: (failure, recipient) for failure, recipient in pairs}.values())


def _note(db: Db, failure: Failure, recipient: str, *, about: Sent, arrival: Arrival) -> None:
    said, report, now = failure.reply.as_line()[:MAX_SHOWN], arrival.fetched.id, arrival.now
    journal.write(
        db, about.id, "message.bounced", now=now, recipient=recipient, reply=said,
        report=report, **{"class": failure.class_},
    )  # fmt: skip


def _suppress(
    db: Db, failure: Failure, recipient: str, *, about: Sent, arrival: Arrival
) -> None:
    """Suppress whom the failure names, where the address is dead for good."""
    said, report, now = failure.reply.as_line()[:MAX_SHOWN], arrival.fetched.id, arrival.now
    key = parse_address(recipient).key
    if failure.class_ != DEAD or key not in failure.names or not _is_for_good(failure.reply):
        return
    entry = Suppression(
        tenant=arrival.tenant.id,
        address=key,
        reason=SuppressionReason.RECIPIENT_DEAD,
        evidence=f"{said} (in {report}, message {about.id})",
        expires_on=(now + LASTS).date(),
    )
    suppressions.suppress(db, entry, now=now)
    journal.write(
        db, about.id, "recipient.suppressed", now=now, recipient=key,
        expires_on=str(entry.expires_on),
        fix=f"if the address works again: {entry.remove_command}",
    )  # fmt: skip


def _is_for_good(reply: Reply) -> bool:
    """RFC 3463 §3.1: class 4 was given up after a time, it may go another time."""
    return reply.code // 100 == 5 and not (reply.enhanced or "").startswith("4.")
