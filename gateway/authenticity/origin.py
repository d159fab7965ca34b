"""The one entry for a fetched message: what is proven of its origin.

The provider's word and our own checks stand side by side; a pass by either is enough, and each
result says by whom it is. What is proven is the address in From: its domain by DMARC's rules
(RFC 7489 §3.1), its local part on that domain's word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import getaddresses

from gateway.authenticity import dmarc
from gateway.authenticity.arc import Chain, believed_passes, find_chain, verify_chain
from gateway.authenticity.dkim_verify import Keys, find_signatures, verify_signatures
from gateway.authenticity.spf import SpfChecker
from gateway.authenticity.trace import Trace, TrustedHops, read_trace
from gateway.config import DnsSettings
from gateway.mail.address import Address, parse_address
from gateway.mail.inbound import Authenticity, AuthResult
from gateway.mail.message import Message
from gateway.net.concurrency import Pool
from gateway.net.dns import Resolver
from gateway.net.unreachable import Unreachable

DKIM_THREADS = 2


@dataclass(frozen=True, slots=True)
class Checker:
    """What checking needs, held open: DNS, the SPF children, the threads of DKIM."""

    resolver: Resolver
    spf: SpfChecker
    pool: Pool

    async def close(self) -> None:
        """End children and threads; to be called when no check is under way."""
        self.pool.close()
        await self.spf.close()


def make_checker(settings: DnsSettings) -> Checker:
    """Return a checker that asks the servers of `[dns]`; raises ConfigError."""
    resolver = Resolver(settings)
    return Checker(
        resolver, SpfChecker(resolver.nameservers), Pool("dkim", threads=DKIM_THREADS)
    )


async def authenticate(
    message: Message, *, hops: TrustedHops, checker: Checker
) -> Authenticity:
    """Return what is proven of the message's origin; never raises for what it holds."""
    trace, chain = await checker.pool.run(_read_header, message, hops)
    sender = find_sender(message)
    dkim, (arc, sealed), spf, (policy, fault) = await asyncio.gather(
        _check_dkim(message, checker),
        _check_arc(message, chain, hops=hops, checker=checker),
        _check_spf(trace, checker.spf),
        _find_policy(sender, checker.resolver),
    )
    found = (*dkim, *spf, arc, *_in_line_with((*trace.stated, *sealed), sender))
    ours = fault or _judge_dmarc(found, sender, policy)
    proven = sender if _is_proven((*found, ours), sender, policy or dmarc.RELAXED) else None
    mail_from = trace.mail_from or ""
    last_hop = (*spf, *trace.stated)  # what a sealer saw was the envelope of an earlier hop
    return Authenticity(
        results=(*found, ours),
        header_from=str(sender or ""),
        mail_from=mail_from,
        proven=str(proven or ""),
        mail_from_proven=_is_envelope_proven(last_hop, mail_from, proven),
        believed=trace.believed,
    )


def find_sender(message: Message) -> Address | None:
    """Return the address in From, or None when there is not exactly one (RFC 7489 §6.6.1)."""
    fields = list(message.all("From"))
    if len(fields) != 1:
        return None
    try:
        [(_, address)] = getaddresses([fields[0].value])
        return parse_address(address)
    except (ValueError, IndexError):  # no address, several, or what is none
        return None
    except RecursionError:  # thousands of nested comments
        return None


def _read_header(message: Message, hops: TrustedHops) -> tuple[Trace, Chain]:
    """Slow for a hostile header, so to be run in a thread."""
    return read_trace(message, hops), find_chain(message)


def _is_proven(
    results: Sequence[AuthResult], sender: Address | None, policy: dmarc.Policy
) -> bool:
    if sender is None:
        return False
    if dmarc.find_proof(results, sender.domain, policy=policy):
        return True
    return any(one.method == "dmarc" and one.result == "pass" for one in results)


def _is_envelope_proven(
    results: Sequence[AuthResult], mail_from: str, proven: Address | None
) -> bool:
    if not mail_from:
        return False
    domain = mail_from.rpartition("@")[2]
    if any(
        one.method == "spf" and one.result == "pass" and one.domain == domain for one in results
    ):
        return True
    return proven is not None and dmarc.is_aligned(domain, proven.domain, strict=False)


async def _check_dkim(message: Message, checker: Checker) -> list[AuthResult]:
    signatures = find_signatures(message)
    if not signatures:
        return [AuthResult(method="dkim", result="none", reason="not signed")]
    keys = await _ask_keys(
        checker.resolver, (one.key_name for one in signatures if one.fault is None)
    )
    return await checker.pool.run(
        verify_signatures, message, signatures, keys, now=datetime.now(UTC)
    )


async def _check_arc(
    message: Message, chain: Chain, *, hops: TrustedHops, checker: Checker
) -> tuple[AuthResult, tuple[AuthResult, ...]]:
    """Return the result of the chain, and what listed sealers saw pass."""
    if not chain.sets:
        return verify_chain(message, chain, {}, now=datetime.now(UTC)), ()
    keys = await _ask_keys(checker.resolver, chain.key_names)
    arc = await checker.pool.run(verify_chain, message, chain, keys, now=datetime.now(UTC))
    if arc.result != "pass":
        return arc, ()
    return arc, await checker.pool.run(believed_passes, message, chain, hops.arc_sealers)


async def _ask_keys(resolver: Resolver, names: Iterable[str]) -> Keys:
    wanted = list(dict.fromkeys(names))
    records = await asyncio.gather(*(_ask_key(resolver, name) for name in wanted))
    return dict(zip(wanted, records, strict=True))


async def _ask_key(resolver: Resolver, name: str) -> list[bytes] | None:
    try:
        return await resolver.txt(name)
    except Unreachable:
        return None


async def _check_spf(trace: Trace, spf: SpfChecker) -> list[AuthResult]:
    if not trace.client or trace.mail_from is None:
        reason = "the client or the envelope sender is not known"
        return [AuthResult(method="spf", result="none", reason=reason)]
    return [await spf.check(client=trace.client, helo=trace.helo, mail_from=trace.mail_from)]


async def _find_policy(
    sender: Address | None, resolver: Resolver
) -> tuple[dmarc.Policy | None, AuthResult | None]:
    """Return the policy, and the DMARC result where it is settled without one."""
    if sender is None:
        reason = "From does not hold exactly one address"
        return None, AuthResult(method="dmarc", result="permerror", reason=reason)
    try:
        return await dmarc.find_policy(resolver, sender.domain), None
    except Unreachable:
        reason = "the policy cannot be asked for now"
        fault = AuthResult(
            method="dmarc", result="temperror", domain=sender.domain, reason=reason
        )
        return dmarc.STRICTEST, fault


def _in_line_with(
    stated: Sequence[AuthResult], sender: Address | None
) -> tuple[AuthResult, ...]:
    """Return what the provider stated; of DMARC only what is about the domain in From."""
    domain = sender.domain if sender else ""
    return tuple(one for one in stated if one.method != "dmarc" or one.domain == domain)


def _judge_dmarc(
    found: Sequence[AuthResult], sender: Address | None, policy: dmarc.Policy | None
) -> AuthResult:
    return dmarc.judge(found, sender.domain if sender else "", policy=policy)
