"""Pure: who a message says it is from: the one mailbox in From (RFC 5322 §3.6.2).

We read From more strictly than mail programs do, since it decides upstream and right: what
two readers could read as two different addresses is not an author.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.header import Header

from gateway.mail.address import Address, parse_address
from gateway.mail.message import Edit, Message, decode_words
from gateway.mail.tenant import Sender

QUOTED = r'"(?:[^"\\]|\\.)*"'
COMMENT = r"(?:\s*\((?:[^()\\]|\\.)*\))?"
MAILBOX = re.compile(
    rf"(?P<name>(?:{QUOTED}|[^\"<>,;:()\\])*)<(?P<route>[^<>\s,;]+)>{COMMENT}"
    rf"|(?P<bare>[^\s<>,;:()\"\\@]+@[^\s<>,;:()\"\\@]+){COMMENT}"
)
MAX_FROM_CHARACTERS = 2000
ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")  # RFC 5322 §3.2.3


@dataclass(frozen=True, slots=True)
class Author:
    """The author: display name, decoded, may be empty; and address."""

    name: str
    address: Address


def find_author(message: Message) -> Author | None:
    """Return the author, or None when From is not exactly one well-formed mailbox."""
    fields = list(message.all("From"))
    if len(fields) != 1:
        return None
    return parse_mailbox(fields[0].value)


def parse_mailbox(text: str) -> Author | None:
    """Return the author of `name <address>` or `address (comment)`, or None."""
    found = MAILBOX.fullmatch(text.strip())
    if not found or len(text) > MAX_FROM_CHARACTERS:
        return None
    try:
        address = parse_address(found["route"] or found["bare"])
    except ValueError:
        return None
    shown = _unquoted((found["name"] or "").strip())
    if "@" in re.sub(QUOTED, "", found["name"] or "") and shown.lower() != address.key:
        return None  # a bare address before the brackets: some readers take that one
    return Author(decode_words(shown), address)


def name_edits(author: Author, sender: Sender) -> tuple[Edit, ...]:
    """Return the edits that give From the display name of `sender`, as its policy says.

    Policy "fill" replaces an empty name, or one that is the address itself.
    """
    is_bare = author.name.casefold() in ("", author.address.key)
    name = sender.name if is_bare or sender.name_policy == "always" else author.name
    if not sender.name or name == author.name:
        return ()
    return _from_edits(name, author.address)


def rewrite_edits(author: Author, sender: Sender, message: Message) -> tuple[Edit, ...]:
    """Return the edits that make `sender` the author; answers still reach the colleague.

    The colleague's name is kept unless the sender's policy is "always"; a Reply-To that
    the colleague wrote is kept as it is.
    """
    own_name = sender.name if sender.name_policy == "always" else author.name or sender.name
    edits = _from_edits(own_name, parse_address(sender.address))
    if message.first("Reply-To"):
        return edits
    return (*edits, Edit("Reply-To", as_mailbox(author.name, author.address), last=True))


def as_mailbox(name: str, address: Address) -> str:
    """Return `name <address>` as a field's value, folded; the name encoded where needed."""
    name = " ".join(name.encode("utf-8", "replace").decode().split())
    if not name:
        return str(address)
    if not name.isascii():
        phrase = Header(name, "utf-8", header_name="Reply-To").encode(linesep="\r\n")
    elif ATOMS.fullmatch(name):
        phrase = name
    else:
        phrase = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{phrase} <{address}>"


def _from_edits(name: str, address: Address) -> tuple[Edit, ...]:
    return Edit("From", None), Edit("From", as_mailbox(name, address), last=True)


def _unquoted(phrase: str) -> str:
    return re.sub(QUOTED, lambda one: re.sub(r"\\(.)", r"\1", one[0][1:-1]), phrase)
