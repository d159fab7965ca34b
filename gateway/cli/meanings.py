"""What each event of the journal means, in one plain sentence.

An event whose detail has its own `meaning` tells that one instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MEANINGS = {
    "message.accepted": "The gateway took responsibility for the message; it is on disk.",
    "message.stamped": "Headers that every mail needs were added.",
    "delivery.queued": "The sign-in was refused, so the message waits until it works again.",
    "delivery.delivered": "The remote server took responsibility for the message.",
    "delivery.deferred": "The remote server did not take it this time; it is tried again.",
    "delivery.failed": "The remote server will not take it; it is not tried again.",
    "delivery.held": "The message waits until a person releases it.",
    "delivery.cancelled": "A person cancelled the delivery.",
    "delivery.delayed": "The message has waited for hours; it is still tried.",
    "delivery.stale": "The message waited too long for its way out; a person decides now.",
    "message.bounced": "The sender was told that the message could not be delivered.",
    "message.complained": "The recipient marked the message as unwanted.",
    "message.fetched": "The message was read from the mailbox; it is on disk.",
    "message.set_aside": "The message could not be taken in; its bytes are kept for replay.",
    "message.planned": "The policies judged the message and decided what to do with it.",
    "message.routed": "Everything is done: the message went on to the helpdesk.",
    "message.answered": "Everything is done: the message was answered automatically.",
    "message.held": "The message waits until a person decides.",
    "message.discarded": "A policy discarded the message, as its rule says.",
    "message.done": "Everything that the policies decided is done.",
    "effect.routed": "The message was queued for the helpdesk.",
    "effect.stored": "The message was queued for the helpdesk.",
    "effect.redirected": "The message was queued for another address.",
    "effect.rejected": "A refusal was queued for the sender.",
    "effect.held": "A policy holds the message until a person decides.",
    "effect.notified": "A policy asked to notify somebody; it stands here.",
    "effect.discarded": "A policy discarded the message.",
    "effect.failed": "What a policy decided could not be carried out.",
    "effect.suppressed": "What a policy decided was not carried out, for the reason given.",
    "answer.queued": "An automatic answer was queued.",
    "answer.sent": "An automatic answer was sent.",
    "answer.drafted": "An automatic answer was drafted for a colleague.",
    "answer.suppressed": "No automatic answer was sent, for the reason given.",
    "queue.retry": "A person asked for another try now.",
    "queue.release": "A person released the message.",
    "queue.hold": "A person holds the message.",
    "queue.delete": "A person removed the message from the queue.",
}


def meaning_of(event: str, detail: Mapping[str, Any]) -> str:
    """Return what an event means: its own words, else those of the table."""
    said = detail.get("meaning")
    return str(said) if said else MEANINGS.get(event, f"The gateway recorded {event}.")


def fix_of(detail: Mapping[str, Any]) -> str | None:
    """Return what a person can do, where the event says so."""
    said = detail.get("fix")
    return str(said) if said else None
