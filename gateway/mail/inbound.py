"""A fetched message, and what could be proven of its origin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.mail.plan import Effect

METHODS = ("spf", "dkim", "dmarc", "arc")  # whose results are told with a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One message as it lay in a mailbox; (mailbox, folder, uidvalidity, uid) is unique."""

    id: str  # ours
    tenant: str
    mailbox: str  # address
    folder: str
    uidvalidity: int
    uid: int
    internal_date: datetime
    content: bytes
    junk: bool = False
    backfill: bool = False  # older than the connection, or by replay or repair
    released: Effect | None = (
        None  # the hold that it was released from: its chain goes on there
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthResult:
    """One method's result in the words of RFC 8601 §2.7, and the domain it is about."""

    method: str  # spf | dkim | dmarc | arc
    result: str  # pass | fail | softfail | neutral | none | temperror | permerror | policy
    domain: str = ""
    by: str = "us"  # us, or the trusted authserv-id that said so
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticity:
    """What can be proven of a message's origin."""

    results: tuple[AuthResult, ...] = ()
    header_from: str = ""  # address in From, or empty when there is not exactly one
    mail_from: str = ""  # envelope sender where the provider writes it, or empty
    proven: str = ""  # the address that was proven (From in line with SPF, DKIM or DMARC)
    mail_from_proven: bool = False  # SPF passed for it, or it is in line with the proven From
    scanned: tuple[tuple[str, str], ...] = ()  # fields of spam and virus filters, if believed
    believed: tuple[str, ...] = ()  # Authentication-Results of the provider, as they stand

    def result(self, method: str) -> str:
        """Return the best result of `method`, `none` when there is not one."""
        found = [one.result for one in self.results if one.method == method]
        return "pass" if "pass" in found else next(iter(found), "none")
