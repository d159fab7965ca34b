"""What the enhanced codes of the standards mean, whoever says them; pure.

RFC 3463 §3 and the registry of RFC 5248. Only what is about this one mail is listed: codes of
sign-ins, of routes and of the server itself leave open whose turn it is, and a deferral says
by its first digit that it passes.
"""

from __future__ import annotations

from gateway.mail.reply import ENHANCED

CAUSE_OF = {
    # The recipient's address: unknown, impossible, moved, without mail, closed.
    "5.1.1": "recipient-refused",
    "5.1.2": "recipient-refused",
    "5.1.3": "recipient-refused",
    "5.1.6": "recipient-refused",
    "5.1.10": "recipient-refused",  # RFC 7505 §4.1
    "5.2.1": "recipient-refused",
    "5.2.2": "recipient-full",
    "4.2.2": "recipient-full",
    # The sender's.
    "5.1.7": "sender-refused",
    "5.1.8": "sender-refused",
    "5.7.27": "sender-refused",  # RFC 7505 §4.2
    # The size: of what the mailbox takes, of what the system takes.
    "5.2.3": "message-too-big",
    "5.3.4": "message-too-big",
    # The content.
    "5.6.0": "content-refused",
    "5.6.1": "content-refused",
    "5.6.2": "content-refused",
    # The policy.
    "5.7.1": "policy-refused",
    "5.7.2": "policy-refused",
    # What proves the sending domain (RFC 7372 §3).
    "5.7.20": "bulk-authentication",
    "5.7.21": "bulk-authentication",
    "5.7.22": "bulk-authentication",
    "5.7.23": "bulk-authentication",
    "5.7.24": "bulk-authentication",
    "5.7.26": "bulk-authentication",
}


def find_standard(text: str) -> str | None:
    """Return the cause that the enhanced code before `text` names, or None."""
    given = ENHANCED.match(text)
    return CAUSE_OF.get(given.group(1)) if given else None
