"""DMARC (RFC 7489): whose domain in From is proven by SPF or DKIM.

Discovery asks DNS; records, alignment and the result are judged purely.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from gateway.mail.inbound import AuthResult
from gateway.net.dns import Resolver

POLICIES = frozenset({"none", "quarantine", "reject"})
PROOFS = ("dkim", "spf")
REPORT_URI = re.compile(r"(mailto|https?):\S", re.IGNORECASE)

Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a domain asks of receivers; strict alignment wants the same domain (§3.1)."""

    request: str  # none | quarantine | reject; empty where the record cannot be read
    dkim_strict: bool = False
    spf_strict: bool = False


STRICTEST = Policy(request="none", dkim_strict=True, spf_strict=True)  # while it is unknown
RELAXED = Policy(request="none")  # where nothing is published
BROKEN = Policy(request="")  # a record that is none by its own words


async def find_policy(resolver: Resolver, domain: str) -> Policy | None:
    """Return the policy of `domain`, else that of its organisational domain (§6.6.3).

    Raises Unreachable when DNS cannot be asked now.
    """
    for name in dict.fromkeys((domain, organisational_domain(domain))):
        found = find_records(await resolver.txt(f"_dmarc.{name}"))
        if found:  # discovery ends here, even where they are no policy
            return read_policy(found, for_subdomain=name != domain)
    return None


def find_records(records: Iterable[bytes]) -> list[Tags]:
    """Return the tags of what are DMARC records among TXT records (§6.3)."""
    return [tags for record in records if (tags := _parse_tags(record))]


def read_policy(found: Sequence[Tags], *, for_subdomain: bool = False) -> Policy | None:
    """Return the one policy that DMARC records make, or BROKEN; several count as none (§6.6.3).

    A record of an organisational domain may have another request for its subdomains.
    """
    if len(found) != 1:
        return None
    tags = found[0]
    request = tags.get("p", "").lower()
    below = tags.get("sp", request).lower()
    if not {request, below} <= POLICIES:  # §6.6.3: one that wants reports counts as p=none
        return RELAXED if REPORT_URI.match(tags.get("rua", "")) else BROKEN
    return Policy(
        request=below if for_subdomain else request,
        dkim_strict=tags.get("adkim", "").lower() == "s",
        spf_strict=tags.get("aspf", "").lower() == "s",
    )


def organisational_domain(domain: str) -> str:
    """Return the registered domain `domain` belongs to (§3.2), or itself if there is none."""
    return _public_suffixes().privatesuffix(domain) or domain


def is_aligned(domain: str, header_from: str, *, strict: bool) -> bool:
    """Say whether an authenticated `domain` stands for the domain in From (§3.1)."""
    if not domain or not header_from:
        return False
    if strict or domain == header_from:
        return domain == header_from
    return organisational_domain(domain) == organisational_domain(header_from)


def find_proof(
    results: Sequence[AuthResult], header_from: str, *, policy: Policy
) -> AuthResult | None:
    """Return the SPF or DKIM pass that proves the domain in From, or None."""
    strict = {"dkim": policy.dkim_strict, "spf": policy.spf_strict}
    passed = (one for one in results if one.result == "pass" and one.method in PROOFS)
    for one in passed:
        if is_aligned(one.domain, header_from, strict=strict[one.method]):
            return one
    return None


def judge(
    results: Sequence[AuthResult], header_from: str, *, policy: Policy | None
) -> AuthResult:
    """Return our DMARC result for the domain in From, given what SPF and DKIM found."""
    result, reason = _judge(results, header_from, policy)
    return AuthResult(method="dmarc", result=result, domain=header_from, reason=reason)


def _judge(
    results: Sequence[AuthResult], header_from: str, policy: Policy | None
) -> tuple[str, str]:
    if policy is None:
        return "none", "no DMARC policy"
    if policy is BROKEN:  # §11.2
        return "permerror", "the DMARC policy cannot be read"
    wanted = f"(p={policy.request})"
    if proof := find_proof(results, header_from, policy=policy):
        return "pass", f"{proof.method} of {proof.domain}, by {proof.by} {wanted}"
    if any(one.result == "temperror" and one.method in PROOFS for one in results):
        return "temperror", f"spf or dkim could not be judged now {wanted}"
    return "fail", f"neither spf nor dkim passed in line with From {wanted}"


def _parse_tags(record: bytes) -> Tags:
    """Return the tags of a DMARC record, which starts with v=DMARC1 (§6.3), else nothing."""
    pairs = [part.partition("=") for part in record.decode("ascii", "replace").split(";")]
    tags = [(name.strip(), value.strip()) for name, _, value in pairs if name.strip()]
    if tags[:1] != [("v", "DMARC1")]:
        return {}
    names = {name for name, _ in tags}
    return dict(tags if len(names) == len(tags) else tags[:1])  # RFC 6376 §3.2: no twins


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()
