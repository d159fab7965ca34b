"""Pure: the context of `policy test`, where a person says what would have been proven."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gateway.mail.inbound import Authenticity, AuthResult
from gateway.mail.message import Message
from gateway.mail.tenant import Tenant
from gateway.policy.asked import Context
from gateway.sieve.addresses import parse_path

RECIPIENTS = ("Delivered-To", "X-Original-To", "To")
METHODS = ("spf", "dkim", "dmarc", "arc", "iprev")
RESULTS = (
    "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "policy",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a person gives on the command line; None: read from the message."""

    mail_from: str | None = None
    rcpt_to: str | None = None
    auth: str = ""  # "dkim=pass,spf=fail"
    chain: str = "inbound"


def trial_context(message: Message, tenant: Tenant, given: Given, *, now: datetime) -> Context:
    """Return the context of a message in a file.

    What is not given is read from it: the sender from Return-Path, else From; the recipient
    from Delivered-To or X-Original-To, else To; what filters said is believed. Raises
    ValueError for a word of `auth` or an address that is none.
    """
    mail_from, auth = _path("--from", given.mail_from), given.auth
    author = next((address for _, address in message.addresses("From")), "")
    path = message.first("Return-Path")
    sender = (
        mail_from if mail_from is not None else (path.value.strip("<> ") if path else author)
    )
    delivered = [address for name in RECIPIENTS for _, address in message.addresses(name)]
    recipient = _path("--to", given.rcpt_to) or next(iter(delivered), "")
    return Context(
        tenant=tenant,
        authenticity=replace(
            _authenticity(parse_auth(auth), author=author, sender=sender),
            scanned=tuple((one.name.lower(), one.value) for one in message.fields),
        ),
        now=now,
        mail_from=sender,
        rcpt_to=(recipient,) if recipient else (),
        route=tenant.route_of(recipient),
        chain=given.chain,
    )


def _path(option: str, given: str | None) -> str | None:
    """Return the address that was given, empty for the null path (RFC 5321 §4.5.5)."""
    if given is None:
        return None
    path = parse_path(given)
    if path is None or (path.local and not path.domain):
        raise ValueError(f"{option}: '{given}' is not one mail address")
    return path.address if path.domain else ""


def parse_auth(text: str) -> dict[str, str]:
    """Return the results by method; raises ValueError with one sentence."""
    found = {}
    for word in filter(None, (one.strip() for one in text.split(","))):
        method, _, result = word.lower().partition("=")
        if method not in METHODS or result not in RESULTS:
            raise ValueError(f"'{word}' is no result: write dkim=pass,spf=fail,dmarc=none")
        found[method] = result
    return found


def _authenticity(results: dict[str, str], *, author: str, sender: str) -> Authenticity:
    domain = author.rpartition("@")[2].lower()
    sender_domain = sender.rpartition("@")[2].lower()
    passed = "pass" in (results.get("dkim"), results.get("dmarc")) or (
        results.get("spf") == "pass" and sender_domain == domain
    )
    return Authenticity(
        results=tuple(
            AuthResult(
                method=method,
                result=result,
                domain=sender_domain if method == "spf" else domain,
            )
            for method, result in results.items()
        ),
        header_from=author,
        mail_from=sender,
        proven=author if passed else "",
        mail_from_proven=results.get("spf") == "pass" or (passed and sender_domain == domain),
    )
