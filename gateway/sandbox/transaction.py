"""What MAIL and RCPT say, and what is kept of a message in the end (RFC 5321 §3.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from gateway.mail.address import Address, parse_address
from gateway.mail.envelope import Envelope, Recipient

NEEDS = {  # parameter of MAIL or RCPT -> the extension that brings it
    "BODY": "8BITMIME",
    "SMTPUTF8": "SMTPUTF8",
    "RET": "DSN",
    "ENVID": "DSN",
    "NOTIFY": "DSN",
    "ORCPT": "DSN",
}
MAIL_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID"})
RCPT_PARAMETERS = frozenset({"NOTIFY", "ORCPT"})
PATH = re.compile(r"<(?P<path>[^>]*)>(?P<parameters>( .*)?)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One message as it arrived, and how."""

    id: str  # as our 250 names it
    envelope: Envelope
    content: bytes
    helo: str
    tls: str | None  # "TLSv1.3 TLS_AES_256_GCM_SHA384", or None in the clear
    user: str | None  # who signed in
    at: datetime


@dataclass(slots=True)
class Transaction:
    """What MAIL and RCPT said so far (RFC 5321 §3.3)."""

    return_path: Address | None
    parameters: dict[str, str]
    recipients: list[Recipient] = field(default_factory=list)

    def as_envelope(self) -> Envelope:
        """Return the envelope as it stands."""
        return Envelope(
            return_path=self.return_path,
            recipients=tuple(self.recipients),
            ret=self.parameters.get("RET"),
            envid=self.parameters.get("ENVID"),
            body_8bit=self.parameters.get("BODY", "").upper() == "8BITMIME",
            smtputf8="SMTPUTF8" in self.parameters,
        )


def parse_command(arg: str, keyword: str) -> tuple[str, dict[str, str]] | None:
    """Return path and parameters of MAIL or RCPT, names in upper case, values as written."""
    head, rest = arg[: len(keyword)], arg[len(keyword) :].strip()
    found = PATH.fullmatch(rest)
    if head.upper() != keyword or not found:
        return None
    parameters = (word.partition("=") for word in found["parameters"].split())
    return found["path"], {name.upper(): value for name, _, value in parameters}


def open_transaction(
    arg: str, *, max_message_bytes: int, without: frozenset[str]
) -> Transaction | str:
    """Return what MAIL opens, or the refusal; `without` are the extensions not offered."""
    parsed = parse_command(arg, "FROM:")
    if parsed is None:
        return "501 5.5.4 Syntax: MAIL FROM:<address>"
    path, parameters = parsed
    if unknown := _find_unknown(parameters, MAIL_PARAMETERS, without=without):
        return f"555 5.5.4 {unknown} is not offered here"
    size = parameters.get("SIZE", "0")
    if not size.isdecimal():
        return "501 5.5.4 SIZE takes a number"
    if int(size) > max_message_bytes:
        return f"552 5.3.4 We take {max_message_bytes} bytes"
    if not path.isascii() and "SMTPUTF8" not in parameters:
        return "553 5.6.7 This address needs SMTPUTF8"
    try:
        return Transaction(parse_address(path) if path else None, parameters)
    except ValueError:
        return "501 5.1.7 Bad sender address"


def parse_recipient(
    arg: str, transaction: Transaction, *, without: frozenset[str]
) -> Recipient | str:
    """Return what RCPT names, or the refusal."""
    parsed = parse_command(arg, "TO:")
    if parsed is None:
        return "501 5.5.4 Syntax: RCPT TO:<address>"
    path, parameters = parsed
    if unknown := _find_unknown(parameters, RCPT_PARAMETERS, without=without):
        return f"555 5.5.4 {unknown} is not offered here"
    if not path.isascii() and "SMTPUTF8" not in transaction.parameters:
        return "553 5.6.7 This address needs SMTPUTF8"
    try:
        address = parse_address(path)
    except ValueError:
        return "501 5.1.3 Bad recipient address"
    return Recipient(address, parameters.get("NOTIFY"), parameters.get("ORCPT"))


def _find_unknown(
    parameters: dict[str, str], known: frozenset[str], *, without: frozenset[str]
) -> str | None:
    for name in parameters:
        if name not in known or NEEDS.get(name, name) in without:
            return name
    return None
