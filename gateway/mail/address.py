"""Mail addresses as they stand in an envelope (RFC 5321 §4.1.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import idna

MAX_LOCAL_BYTES = 64  # RFC 5321 §4.5.3.1.1
MAX_DOMAIN_BYTES = 255  # RFC 5321 §4.5.3.1.2
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
LITERAL = re.compile(r"\[[!-Z^-~]+\]")  # RFC 5321 §4.1.3


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: the local part as written, the domain as a lower-case A-label."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """The address folded for comparing and looking up: providers fold the local part."""
        return f"{self.local.casefold()}@{self.domain}"

    @property
    def base(self) -> Address:
        """The address without its +detail (RFC 5233)."""
        return Address(self.local.split("+", 1)[0] or self.local, self.domain)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the local part has non-ASCII characters (RFC 6531)."""
        return not self.local.isascii()


def parse_address(text: str) -> Address:
    """Return the address in `text`, which has no angle brackets or display name.

    Raises ValueError with one sentence when it is not an address.
    """
    local, at, domain = text.strip().rpartition("@")
    if not at or not local or not domain:
        raise ValueError(f"'{text}' is not an address: it needs the form name@domain")
    if any(c <= " " or c == "\x7f" for c in domain) or not _printable(local):
        raise ValueError(f"'{text}' is not an address: it holds a space or control character")
    if any(c in '<>,;:()[]"\\' for c in local) and not _is_quoted(local):
        raise ValueError(f"'{text}' is not an address: its local part needs quotes")
    if len(local.encode()) > MAX_LOCAL_BYTES or len(domain) > MAX_DOMAIN_BYTES:
        raise ValueError(f"'{text[:80]}' is too long for an address (RFC 5321 §4.5.3.1)")
    return Address(local, parse_domain(domain))


def parse_domain(text: str) -> str:
    """Return the domain as a lower-case A-label; an address literal stays as it is.

    Raises ValueError with one sentence when it is not a domain.
    """
    if LITERAL.fullmatch(text):
        return text
    domain = text.rstrip(".").lower()
    if not domain.isascii():
        domain = _as_a_label(domain)
    labels = domain.split(".")
    if not all(_is_label(label) for label in labels):
        raise ValueError(f"'{text}' is not a domain name")
    return domain


def _as_a_label(domain: str) -> str:
    """Return the domain as it is registered today (RFC 5891); of old "ß" was "ss", which is
    another one."""
    try:
        labels = idna.uts46_remap(domain, std3_rules=False).split(".")
        return ".".join(
            one if one.isascii() else idna.alabel(one).decode("ascii") for one in labels
        )
    except UnicodeError as error:
        raise ValueError(f"'{domain}' is not a domain name") from error


def _is_label(label: str) -> bool:
    bare = label.replace("-", "").replace("_", "")
    return 0 < len(label) <= 63 and bare.isalnum() and label[0] != "-" and label[-1] != "-"


def _printable(local: str) -> bool:
    if _is_quoted(local):
        return all(c >= " " and c != "\x7f" for c in local)
    return all(c > " " and c != "\x7f" for c in local)


def _is_quoted(local: str) -> bool:
    return QUOTED.fullmatch(local) is not None
