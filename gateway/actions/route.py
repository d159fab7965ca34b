"""To the helpdesk: a fetched message on its way to a route.

The content stays as it was; what the helpdesk needs to know of it travels as recorded edits,
header fields named `X-Gateway-`. A route by SMTP sees them in the message, a route by webhook
makes its JSON from them, so both are told the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from gateway.actions.answer import Mark
from gateway.actions.event import find_listeners, webhook_recipient
from gateway.actions.feedback import MAX_NAMED, MAX_READ_BYTES
from gateway.actions.gate import Occasion, is_robot, recipients_of
from gateway.actions.letter import encoded, plain
from gateway.mail.address import MAX_LOCAL_BYTES, Address, parse_address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import ID_FIELD, new_id
from gateway.mail.inbound import METHODS
from gateway.mail.message import Edit, decode_words
from gateway.mail.plan import Effect
from gateway.mail.tenant import Mailbox, Route, Tenant

DEFAULT_ROUTE = "INBOX"
MAILBOX_FIELD = "X-Gateway-Mailbox"
CONVERSATION_FIELD = "X-Gateway-Conversation"
SEQUENCE_FIELD = "X-Gateway-Sequence"
LINKED_FIELD = "X-Gateway-Linked"
TAGS_FIELD = "X-Gateway-Tags"
FIELD_FIELD = "X-Gateway-Field"
AUTH_FIELD = "X-Gateway-Auth"
BACKFILL_FIELD = "X-Gateway-Backfill"
JUNK_FIELD = "X-Gateway-Junk"
RETURN_MARK = "+r-"
TOKEN = re.compile(rb"\+r-[0-9a-z]{1,40}-[0-9a-z]{1,20}@[\w.-]{1,255}", re.ASCII)
ARRIVAL_FIELDS = ("Delivered-To", "X-Original-To", "Envelope-To")
SMTP_TYPES = ("smtp", "lmtp")


def find_route(tenant: Tenant, mailbox: Mailbox, target: str) -> Route | None:
    """Return the route that `target` means: INBOX is the mailbox's, else the tenant's."""
    name = target
    if not target or target.upper() == DEFAULT_ROUTE:  # RFC 9051 §5.1: INBOX in any case
        name = mailbox.route or tenant.route or ""
    return tenant.routes.get(name)


def write_forward(
    occasion: Occasion, effect: Effect, *, route: Route, mark: Mark, tags: Iterable[str] = ()
) -> Outgoing:
    """Return the message on its way to `route`; `tags` are added to those of the effect."""
    fetched, own = occasion.fetched, occasion.mailbox.address
    to = _recipient(effect.arguments.get("envelope_to"), route.to, own)
    return Outgoing(
        id=new_id(),
        tenant=occasion.tenant.id,
        lane=Lane(occasion.tenant.id, LaneKind.ROUTE, route.name),
        kind=Kind.FORWARD,
        envelope=Envelope(
            return_path=return_address(own, fetched.id, mark=mark),
            recipients=(Recipient(to, notify="NEVER"),),
            body_8bit=not fetched.content.isascii(),
            smtputf8=to.needs_smtputf8,
        ),
        content=fetched.content,
        message_id=plain(occasion.message.message_id),
        header_from=plain(occasion.authenticity.header_from),
        edits=(*effect.edits, *_told(occasion, effect, [*effect.flags, *tags])),
        origin=fetched.id,
    )


def tell_received(forward: Outgoing, tenant: Tenant) -> list[Outgoing]:
    """Return a forward once more for each hook that names message.received.

    A webhook's JSON is made from the mail when it is posted, so a hook gets what a route gets.
    """
    if not tenant.hooks:
        return []  # the route alone, where events go as well
    return [
        replace(
            forward, id=new_id(), lane=lane,
            envelope=replace(forward.envelope, recipients=(webhook_recipient(url),)),
        )
        for lane, url in find_listeners(tenant, "message.received")
    ]  # fmt: skip


def return_address(mailbox: str, message: str, *, mark: Mark) -> Address:
    """Return the mailbox's address with a signed token that names `message` (ours).

    Where the local part has no room for it, it is the bare address (RFC 5321 §4.5.3.1.1).
    """
    own = parse_address(mailbox)
    local = f"{own.base.local}{RETURN_MARK}{message}-{mark('return ' + message)[:10]}".lower()
    return Address(local, own.domain) if len(local.encode()) <= MAX_LOCAL_BYTES else own


def find_returned(address: Address, *, mark: Mark) -> str | None:
    """Return the id of the message whose signed return token `address` holds, or None."""
    _, found, token = address.local.rpartition(RETURN_MARK)
    message, _, given = token.upper().rpartition("-")
    if not found or mark("return " + message)[:10].upper() != given:
        return None
    return message


def find_returning(occasion: Occasion, *, mark: Mark) -> str | None:
    """Return which message of ours a bounce was sent back for, by its return token, or None.

    Of a mail system's mail it is looked for in the mail that is given back, too.
    """
    message = occasion.message
    written = [field.value for name in ARRIVAL_FIELDS for field in message.all(name)]
    given_back: list[str] = []
    if is_robot(occasion.authenticity.header_from):
        found_in = TOKEN.findall(message.content[:MAX_READ_BYTES])
        given_back = [one.decode("ascii") for one in found_in[:MAX_NAMED]]
    for text in [*written, *recipients_of(message), *given_back]:
        with suppress(ValueError):  # no address
            if found := find_returned(parse_address(text.strip(" \t<>")), mark=mark):
                return found
    return None


def tags_of(edits: Iterable[Edit]) -> list[str]:
    """Return the tags that a forward's edits tell."""
    return next(iter(reversed(told(edits, TAGS_FIELD))), "").split()


def told(edits: Iterable[Edit], name: str) -> list[str]:
    """Return the values that a forward's edits tell under `name`, decoded, in order."""
    values: list[str] = []
    for edit in edits:
        if edit.name.lower() == name.lower():
            values = [*values, decode_words(edit.value)] if edit.value is not None else []
    return values


def _recipient(*wanted: str | None) -> Address:
    """Return the first that is an address; the last one, the mailbox's, always is."""
    for text in wanted[:-1]:
        with suppress(ValueError):  # a policy made it from a variable
            if text:
                return parse_address(text)
    return parse_address(wanted[-1] or "")


def _told(occasion: Occasion, effect: Effect, tags: list[str]) -> tuple[Edit, ...]:
    fetched = occasion.fetched
    results = occasion.authenticity.result
    words = dict.fromkeys(
        "-".join(tag.split()) for tag in tags if tag.strip() and not tag.startswith("\\")
    )
    values = [
        (ID_FIELD, fetched.id),
        (MAILBOX_FIELD, fetched.mailbox),
        (AUTH_FIELD, " ".join(f"{method}={results(method)}" for method in METHODS)),
        (TAGS_FIELD, " ".join(words)),
        *((FIELD_FIELD, one) for one in effect.arguments.get("fields", ())),
        (BACKFILL_FIELD, "true" if fetched.backfill else ""),
        (JUNK_FIELD, "true" if fetched.junk else ""),
    ]
    return tuple(Edit(name, encoded(value, name=name)) for name, value in values if value)
