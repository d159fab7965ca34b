"""A conversation's signed token in the +detail of an address (RFC 5233): how it is written.

`support+c-01M8756NHBP3DFJ1QV-0123456789abcdef@acme.example`: in any case, for there are
mail systems that fold the local part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.mail.address import MAX_LOCAL_BYTES, Address

MARK_DIGITS = 16  # of a keyed mark: 64 bits
TOKEN = re.compile(r"\+c-([0-9a-z]{18})-([0-9a-f]{16})(?=@)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """What an address says of itself; nothing is proven by it."""

    conversation: str
    mark: str


def with_token(own: Address, token: Token) -> Address | None:
    """Return the address with a token, None where its local part takes none.

    It has no room for one (RFC 5321 §4.5.3.1.1), a detail of its own, quotes, or other
    characters than ASCII.
    """
    local = f"{own.local}+c-{token.conversation}-{token.mark}".lower()
    is_plain = own.local.isascii() and "+" not in own.local and '"' not in own.local
    return Address(local, own.domain) if is_plain and len(local) <= MAX_LOCAL_BYTES else None


def find_tokens(text: str) -> list[Token]:
    """Return the tokens of the addresses in a field's value, in order."""
    return [Token(one[1].upper(), one[2].lower()) for one in TOKEN.finditer(text)]


def without_tokens(text: str) -> str:
    """Return a field's value, or an address, as it was before tokens were put in."""
    return TOKEN.sub("", text)
