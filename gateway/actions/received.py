"""A fetched message as the `data` of message.received, from its bytes and recorded edits.

Pure, and no bytes make it fail. Addresses are {address, name}; text and html are cut at
1 MiB with `truncated`. `conversation_ref` is what the helpdesk itself calls the conversation,
`sequence` the place of the mail in it, mails of both directions counted; `linked` the
conversation of a mail that a stranger names. A notification of ours, which is in no mailbox,
has no `mailbox`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gateway.actions import route
from gateway.actions.parts import Attachment, clean, read_parts
from gateway.actions.quotes import without_quotes
from gateway.actions.route import told
from gateway.mail.delivery import Batch, Kind
from gateway.mail.ids import REF_FIELD
from gateway.mail.inbound import METHODS
from gateway.mail.message import Edit, Message, apply_edits, parse_message

MAX_TEXT_BYTES = 1024 * 1024
MAX_ADDRESSES = 1000

Link = Callable[[str, str], str]
"""Returns the signed URL for a message's id and `raw` or an attachment's number."""


def received(batch: Batch, *, link: Link) -> dict[str, Any]:
    """Return what a webhook is told of the forwarded message in `batch` (design §12)."""
    edits = batch.edits
    content = apply_edits(batch.content, edits)
    message = parse_message(content)
    parts = read_parts(content)
    text, text_cut = _cut(parts.text)
    page, page_cut = _cut(parts.html)
    id_ = _id_of(batch)
    return {
        "id": id_,
        "tenant": batch.lane.tenant,
        "mailbox": _last(edits, route.MAILBOX_FIELD) or None,
        "conversation": _last(edits, route.CONVERSATION_FIELD) or batch.conversation,
        "conversation_ref": _last(edits, REF_FIELD) or batch.conversation_ref,
        "sequence": int(_last(edits, route.SEQUENCE_FIELD) or 0) or batch.sequence,
        "linked": _last(edits, route.LINKED_FIELD) or None,
        "message_id": _line(message.message_id),
        "in_reply_to": _line(message.text("In-Reply-To")),
        "from": next(iter(_addresses(message, "From")), None),
        "to": _addresses(message, "To"),
        "cc": _addresses(message, "Cc"),
        "subject": _line(message.text("Subject")),
        "text": text,
        "reply_text": without_quotes(text),
        "html": page or None,
        "truncated": text_cut or page_cut,
        "tags": route.tags_of(edits),
        "fields": _fields(edits),
        "auth": _auth(edits),
        "backfill": bool(told(edits, route.BACKFILL_FIELD)),
        "junk": bool(told(edits, route.JUNK_FIELD)),
        "attachments": _attachments(parts.attachments, batch.message, link),
        "raw_url": link(id_, "raw"),
    }


def _attachments(found: Sequence[Attachment], message: str, link: Link) -> list[dict[str, Any]]:
    """`message` is the one that leaves: its parts are others where a policy replaced one."""
    return [
        {
            "name": one.name,
            "type": one.type,
            "size_bytes": len(one.content),
            "url": link(message, str(number)),
        }
        for number, one in enumerate(found, start=1)
    ]


def _id_of(batch: Batch) -> str:
    """A forward is the fetched message; a delivery status notification is one of its own."""
    origin = batch.origin if batch.kind is Kind.FORWARD else None
    return origin or batch.message


def _cut(text: str) -> tuple[str, bool]:
    octets = text.encode()
    if len(octets) <= MAX_TEXT_BYTES:
        return text, False
    return octets[:MAX_TEXT_BYTES].decode("utf-8", "ignore"), True


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def _addresses(message: Message, name: str) -> list[dict[str, str]]:
    found = message.addresses(name)[:MAX_ADDRESSES]
    return [{"address": _line(address), "name": _line(shown)} for shown, address in found]


def _last(edits: tuple[Edit, ...], name: str) -> str:
    return next(iter(reversed(told(edits, name))), "")


def _fields(edits: tuple[Edit, ...]) -> dict[str, str]:
    pairs = (one.partition("=") for one in told(edits, route.FIELD_FIELD))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _auth(edits: tuple[Edit, ...]) -> dict[str, str]:
    pairs = (one.partition("=") for one in _last(edits, route.AUTH_FIELD).split())
    results = {method: result for method, _, result in pairs}
    return {method: results.get(method, "none") for method in METHODS}
