"""Signed reply tokens: who writes to an address that holds one goes on with its conversation.

A token is keyed and of one tenant and one conversation: it cannot be guessed, and is nothing
to another tenant. Whoever holds it takes part, since a person who takes part gave it away.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.mail.address import Address, parse_address
from gateway.mail.message import Edit, Message
from gateway.mail.token import MARK_DIGITS, Token, find_tokens, with_token

Mark = Callable[[str], str]
"""Signs a text with the gateway's key: hexadecimal digits."""

ADDRESSED_IN = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc")
MAX_VALUE_CHARACTERS = 20_000
MAX_TOKENS = 20


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """The value that Reply-To is to have, and the address in it that takes a token."""

    value: str
    address: Address


@dataclass(frozen=True, slots=True)
class Given:
    """The conversation whose token a mail was written to; or that it was no token of ours."""

    conversation: str = ""
    is_forged: bool = False


def find_reply_to(header: Message, *, takes_token: Callable[[str], bool]) -> ReplyTo | None:
    """Return what answers to a mail are addressed to, None where it stays as it is.

    That is Reply-To, else From (RFC 5322 §3.6.2); it must be one address that `takes_token`.
    """
    field = header.first("Reply-To") or header.first("From")
    found = header.addresses(field.name) if field else []
    if field is None or len(found) != 1 or not takes_token(found[0][1]):
        return None
    try:
        return ReplyTo(field.folded, parse_address(found[0][1]))
    except ValueError:
        return None


def token_edits(
    reply_to: ReplyTo, conversation: str, *, tenant: str, mark: Mark
) -> tuple[Edit, ...]:
    """Return the edits by which answers go to the address with a token in it."""
    token = Token(conversation, _sign(tenant, conversation, mark=mark))
    address = with_token(reply_to.address, token)
    written = re.compile(rf"{re.escape(reply_to.address.local)}@[^\s<>,;()]+", re.IGNORECASE)
    bracket = max(0, reply_to.value.rfind("<"))  # a display name may hold the address, too
    place = written.search(reply_to.value, bracket)
    if address is None or place is None:
        return ()
    start, end = place.span()
    value = f"{reply_to.value[:start]}{address}{reply_to.value[end:]}"
    return (Edit("Reply-To", None), Edit("Reply-To", value, last=True))


def find_given(message: Message, *, tenant: str, mark: Mark) -> Given:
    """Return whose token stands in an address that a mail was written to."""
    tokens = list(_tokens(message))[:MAX_TOKENS]
    for one in tokens:
        if hmac.compare_digest(one.mark, _sign(tenant, one.conversation, mark=mark)):
            return Given(one.conversation)
    return Given(is_forged=bool(tokens))


def _tokens(message: Message) -> Iterable[Token]:
    for name in ADDRESSED_IN:
        for field in message.all(name):
            yield from find_tokens(field.value[:MAX_VALUE_CHARACTERS])


def _sign(tenant: str, conversation: str, *, mark: Mark) -> str:
    return mark(f"reply {tenant} {conversation}")[:MARK_DIGITS]
