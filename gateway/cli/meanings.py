"""What each event of the journal means, in one plain sentence.

An event whose detail has its own `meaning` tells that one instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ACCEPTED = {
    "submission": "The gateway took responsibility for the message; it is on disk.",
    "answer": "The answer is on disk, on its way to the upstream.",
    "bounce": "A delivery status notification is on its way to the helpdesk.",
    "forward": "The message is on its way onward, with what the policies recorded.",
    "copy": "A copy is on its way to the mailbox's folder for sent mail.",
    "event": "An event is on its way to a webhook of the tenant.",
}
MEANINGS = {
    "delivery.queued": "The sign-in was refused, or there was nothing to sign in with: the"
    " message waits until it works, and that time does not count.",
    "delivery.delivered": "The remote server took responsibility for the message.",
    "delivery.deferred": "The remote server did not take it this time; it is tried again.",
    "delivery.failed": "The remote server will not take it; it is not tried again.",
    "delivery.interrupted": "The gateway ended while this was being sent: perhaps it was"
    " delivered; it is tried again under the same id.",
    "delivery.held": "The message waits until a person releases it.",
    "delivery.stale": "The message waited too long for a chance to be tried; a person decides.",
    "delivery.moved": "Its sender was given this upstream: the message leaves by it, and not by"
    " the one before.",
    "message.renamed": "The provider gave the message another Message-ID, as its copy shows:"
    " answers to that one are mapped back.",
    "message.fetched": "The message was read from the mailbox; it is on disk.",
    "message.matched": "It was written to an address with the signed token of a conversation,"
    " and goes on with that one.",
    "message.token_refused": "It was written to an address with a token that is none of a"
    " conversation of the tenant: it counts as none.",
    "message.set_aside": "The message could not be taken in; its bytes are kept for replay.",
    "message.replayed": "A person had the message that was set aside tried again.",
    "message.planned": "The policies judged the message and decided what to do with it.",
    "message.routed": "Everything is done: the message went on to the helpdesk.",
    "message.answered": "Everything is done: the message was answered automatically.",
    "message.held": "The message waits until a person decides.",
    "message.discarded": "A policy discarded the message, as its rule says.",
    "effect.routed": "The message was queued for the helpdesk.",
    "effect.redirected": "The message was queued for another address.",
    "effect.held": "A policy holds the message until a person decides.",
    "effect.given_up": "This could not be carried out in three tries; the message is held.",
    "effect.notified": "A policy had somebody told of the message, by mail.",
    "effect.discarded": "A policy discarded the message.",
    "answer.queued": "An automatic answer was queued.",
    "answer.suppressed": "No automatic answer was sent, for the reason given.",
    "recipient.suppressed": "The address is dead: mail to it is refused at once from now on.",
    "message.complained": "A recipient marked the message as unwanted: mail to that address is"
    " refused at once from now on.",
    "message.unanswered": "A buyer waits for an answer to this; the tenant was told.",
    "message.warned": "The mail to a buyer holds what Amazon may not pass on; the tenant was"
    " told.",
    "message.bounced": "A server took the message, and wrote later that it did not arrive.",
    "complaint.taken": "The message reports that a mail of the tenant is unwanted.",
    "complaint.unmatched": "The message reports a mail as unwanted that the tenant did not"
    " send, or not from here: nobody is suppressed for it.",
    "recipient.refused": "The recipient was not taken: mail to this address is suppressed.",
    "hold.ended": "The time of the hold is over; what the policy named for its end is done.",
    "queue.retry": "A person asked for another try now.",
    "queue.release": "A person released the message.",
    "queue.hold": "A person holds the message.",
    "queue.bounce": "A person gave up on the message; its sender is told.",
    "queue.delete": "A person removed the message from the queue.",
}


def meaning_of(event: str, detail: Mapping[str, Any]) -> str:
    """Return what an event means: its own words, else those of the table."""
    if said := detail.get("meaning"):
        return str(said)
    if event == "message.accepted":
        return ACCEPTED[detail["kind"]]
    return MEANINGS.get(event, f"The gateway recorded {event}.")


def fix_of(detail: Mapping[str, Any]) -> str | None:
    """Return what a person can do, where the event says so."""
    said = detail.get("fix")
    return str(said) if said else None
