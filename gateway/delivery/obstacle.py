"""What a server does not offer, and whether a message can be made to fit: pure."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.delivery.seven_bit import re_encoded
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.message import parse_message
from gateway.mail.reply import Reply

TOO_LARGE = Reply(552, "5.3.4", "the message is larger than the server takes")
NO_SMTPUTF8 = Reply(553, "5.6.7", "the server does not offer SMTPUTF8")
NO_8BIT = Reply(554, "5.6.3", "the server takes 7-bit mail only")


def fitted(envelope: Envelope, content: bytes, *, offered: Mapping[str, str]) -> bytes | Reply:
    """Return the content in a form that the server takes, or the refusal it would give.

    8-bit parts are re-encoded for a server without 8BITMIME (RFC 6152 §3); a signed or
    encrypted part is never changed.
    """
    limit = offered.get("SIZE", "")
    if limit.isdigit() and 0 < int(limit) < len(content):
        return TOO_LARGE
    if content.isascii() and not envelope.needs_smtputf8:
        return content
    if "SMTPUTF8" not in offered and _needs_smtputf8(envelope, content):
        return NO_SMTPUTF8
    if "8BITMIME" in offered:
        return content
    return re_encoded(content) or NO_8BIT


def takes_address(recipient: Recipient, *, offered: Mapping[str, str]) -> bool:
    """Whether the server takes this recipient's address at all (RFC 6531 §3.2)."""
    return "SMTPUTF8" in offered or not recipient.address.needs_smtputf8


def _needs_smtputf8(envelope: Envelope, content: bytes) -> bool:
    if envelope.needs_smtputf8:
        return True
    return envelope.smtputf8 and not content[: parse_message(content).body_at].isascii()
