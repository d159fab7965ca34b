"""DMARC (RFC 7489): whose domain in From is proven by SPF or DKIM.

Discovery asks DNS; records, alignment and the result are judged purely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from gateway.mail.inbound import AuthResult
from gateway.net.dns import Resolver

POLICIES = frozenset({"none", "quarantine", "reject"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a domain asks of receivers; strict alignment wants the same domain (§3.1)."""

    request: str  # none | quarantine | reject
    dkim_strict: bool = False
    spf_strict: bool = False


STRICTEST = Policy(request="none", dkim_strict=True, spf_strict=True)  # while it is unknown
RELAXED = Policy(request="none")  # where nothing is published


async def find_policy(resolver: Resolver, domain: str) -> Policy | None:
    """Return the policy of `domain`, else that of its organisational domain (§6.6.3).

    Raises Unreachable when DNS cannot be asked now.
    """
    for name in dict.fromkeys((domain, organisational_domain(domain))):
        if (policy := parse_policy(await resolver.txt(f"_dmarc.{name}"))) is not None:
            return policy
    return None


def parse_policy(records: Iterable[bytes]) -> Policy | None:
    """Return the one policy among TXT records; several count as none (§6.6.3)."""
    found = [tags for record in records if (tags := _parse_tags(record))]
    if len(found) != 1:
        return None
    tags = found[0]
    request = tags.get("p", "").lower()
    if request not in POLICIES:
        if "rua" not in tags:
            return None
        request = "none"  # §6.6.3: a record that still wants reports
    return Policy(
        request=request,
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
    passed = (one for one in results if one.result == "pass" and one.method in strict)
    for one in passed:
        if is_aligned(one.domain, header_from, strict=strict[one.method]):
            return one
    return None


def judge(
    results: Sequence[AuthResult], header_from: str, *, policy: Policy | None
) -> AuthResult:
    """Return our DMARC result for the domain in From, given what SPF and DKIM found."""
    if policy is None:
        return AuthResult(
            method="dmarc", result="none", domain=header_from, reason="no DMARC policy"
        )
    proof = find_proof(results, header_from, policy=policy)
    if proof:
        result, why = "pass", f"{proof.method} of {proof.domain}, by {proof.by}"
    elif any(one.result == "temperror" for one in results):
        result, why = "temperror", "spf or dkim could not be judged now"
    else:
        result, why = "fail", "neither spf nor dkim passed in line with From"
    reason = f"{why} (p={policy.request})"
    return AuthResult(method="dmarc", result=result, domain=header_from, reason=reason)


def _parse_tags(record: bytes) -> dict[str, str]:
    """Return the tags of a DMARC record, which starts with v=DMARC1 (§6.3), else nothing."""
    pairs = [part.partition("=") for part in record.decode("ascii", "replace").split(";")]
    tags = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
    if tags[0] != ("v", "DMARC1"):
        return {}
    return dict(reversed(tags))  # of a repeated tag the first counts


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()
