"""The DNS records that a sending domain publishes: DKIM, SPF and a start with DMARC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.keys import DkimKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecord:
    """One record: the full name without a final dot, the value one unquoted string."""

    name: str
    type: str
    value: str


def domain_records(
    domain: str,
    keys: Sequence[DkimKey],
    *,
    spf_terms: Sequence[str] = (),
    reports_to: str = "",
) -> list[DnsRecord]:
    """Return what `domain` is to publish.

    `spf_terms` are those of its upstreams, "include:sendgrid.net" or "a:smtp.acme.example";
    without any there is no SPF record, since "nobody" would be wrong. `reports_to` is the
    address for DMARC's reports; without one the record asks for none.
    """
    records = [
        DnsRecord(name=f"{key.selector}._domainkey.{domain}", type="TXT", value=key.record)
        for key in keys
    ]
    if spf_terms:
        terms = " ".join(dict.fromkeys(spf_terms))
        # ~all: a fail would refuse forwarded mail that DKIM still proves (RFC 7208 §8.4)
        records.append(DnsRecord(name=domain, type="TXT", value=f"v=spf1 {terms} ~all"))
    reports = f"; rua=mailto:{reports_to}" if reports_to else ""
    dmarc = f"v=DMARC1; p=none{reports}"  # a start: watch first (RFC 7489 §6.3)
    return [*records, DnsRecord(name=f"_dmarc.{domain}", type="TXT", value=dmarc)]
