"""What a server does not offer, and whether a message can be made to fit: pure."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Mapping
from email import message_from_bytes
from email.message import Message
from email.policy import compat32

from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.message import parse_message
from gateway.mail.reply import Reply

SEVEN_BIT = compat32.clone(linesep="\r\n", max_line_length=0, cte_type="7bit")
SEALED = frozenset({"multipart/signed", "multipart/encrypted", "application/pkcs7-mime"})
TOO_LARGE = Reply(552, "5.3.4", "the message is larger than the server takes")
NO_SMTPUTF8 = Reply(553, "5.6.7", "the server takes ASCII addresses only")
NO_8BIT = Reply(554, "5.6.3", "the server takes 7-bit mail only")


def fitted(envelope: Envelope, content: bytes, *, offered: Mapping[str, str]) -> bytes | Reply:
    """Return the content in a form that the server takes, or the refusal it would give.

    8-bit parts are re-encoded for a server without 8BITMIME (RFC 6152 §3); a signed or
    encrypted part is never changed.
    """
    limit = offered.get("SIZE", "")
    if limit.isdigit() and 0 < int(limit) < len(content):
        return TOO_LARGE
    if content.isascii() and not _has_utf8_address(envelope):
        return content
    if "SMTPUTF8" not in offered and _needs_smtputf8(envelope, content):
        return NO_SMTPUTF8
    if "8BITMIME" in offered:
        return content
    return _seven_bit(content) or NO_8BIT


def takes_address(recipient: Recipient, *, offered: Mapping[str, str]) -> bool:
    """Whether the server takes this recipient's address at all (RFC 6531 §3.2)."""
    return "SMTPUTF8" in offered or not recipient.address.needs_smtputf8


def _has_utf8_address(envelope: Envelope) -> bool:
    path = envelope.return_path
    if path is not None and path.needs_smtputf8:
        return True
    return any(one.address.needs_smtputf8 for one in envelope.recipients)


def _needs_smtputf8(envelope: Envelope, content: bytes) -> bool:
    if _has_utf8_address(envelope):
        return True
    return envelope.smtputf8 and not content[: parse_message(content).body_at].isascii()


def _seven_bit(content: bytes) -> bytes | None:
    message = message_from_bytes(content, policy=SEVEN_BIT)
    for part in message.walk():
        if part.get_content_type() in SEALED and not part.as_bytes(policy=compat32).isascii():
            return None
        if not part.is_multipart():
            _encode(part)
    made = message.as_bytes(policy=SEVEN_BIT)
    return made if made.isascii() else None


def _encode(part: Message) -> None:
    payload = part.get_payload(decode=True)
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    if not isinstance(payload, bytes) or encoding not in ("7bit", "8bit", "binary"):
        return
    if payload.isascii() and encoding != "binary":
        return
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(_base64_lines(payload))


def _base64_lines(payload: bytes) -> str:
    return encodebytes(payload).decode("ascii").replace("\n", "\r\n")
