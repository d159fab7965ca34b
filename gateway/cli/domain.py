"""`gateway domain`: the records that a sending domain publishes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated

import typer

from gateway.cli import domain_check
from gateway.cli.opening import Config, Json, Opened, Verbs, opened
from gateway.cli.output import print_json, print_line, print_next, warn
from gateway.cli.refusal import refuse_unknown
from gateway.domain.keys import DkimKey, make_keys
from gateway.domain.records import DnsRecord, domain_records
from gateway.mail.address import parse_domain
from gateway.mail.tenant import Tenant, Upstream
from gateway.providers.catalogue import Provider, load_catalogue
from gateway.store import tenants
from gateway.store.sealing import Seal

MECHANISMS = ("include:", "a:", "mx:", "ip4:", "ip6:")  # RFC 7208 §5


def records(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", show_default=False)],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the DNS records that a domain publishes: DKIM, SPF and a DMARC start."""
    with opened(config) as gateway:
        tenant, name = _find_owner(gateway, domain)
        keys = load_keys(gateway, gateway.load_seal(), tenant=tenant.id, domain=name)
    terms = spf_terms(tenant, name, catalogue=load_catalogue())
    found = domain_records(name, keys, spf_terms=terms, reports_to=tenant.owner)
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
        return
    if not terms:
        warn(f"no upstream sends for {name} yet, so nothing is said about SPF")
    for one in found:
        _print_record(one)
    print_next("publish them at the DNS provider of the domain, each value as one string")


def check(
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", show_default=False)],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Look the records of a domain up: published, wrong or missing; exit 1 unless all are."""
    with opened(config) as gateway:
        tenant, name = _find_owner(gateway, domain)
        keys = load_keys(gateway, gateway.load_seal(), tenant=tenant.id, domain=name)
        settings = gateway.settings.dns
    terms = spf_terms(tenant, name, catalogue=load_catalogue())
    wanted = domain_records(name, keys, spf_terms=terms, reports_to=tenant.owner)
    domain_check.tell(name, domain_check.look_up(wanted, settings), as_json=as_json)


VERBS: Verbs = {"records": records, "check": check}


def load_keys(gateway: Opened, seal: Seal, *, tenant: str, domain: str) -> list[DkimKey]:
    """Return the DKIM keys of a domain; none when it is new."""
    found = gateway.store.read_now(tenants.dkim_keys, seal, tenant, domain)
    return [DkimKey(selector=selector, pem=pem) for selector, pem in found]


def key_secrets(domain: str, *, made_on: date) -> dict[tuple[str, str], str]:
    """Return fresh keys of a domain, as the secrets that the store keeps."""
    keys = make_keys(made_on=made_on)
    return {("dkim", f"{domain}/{key.selector}"): key.pem for key in keys}


def spf_terms(
    tenant: Tenant, domain: str, *, catalogue: Mapping[str, Provider]
) -> tuple[str, ...]:
    """Return the SPF terms of the upstreams that send for a domain, each once."""
    return tuple(dict.fromkeys(_terms(tenant, domain, catalogue)))


def _terms(tenant: Tenant, domain: str, catalogue: Mapping[str, Provider]) -> Iterator[str]:
    for address, sender in tenant.senders.items():
        if address.rpartition("@")[2] != domain or sender.upstream not in tenant.upstreams:
            continue
        upstream = tenant.upstreams[sender.upstream]
        yield from _terms_of(tenant, upstream, catalogue=catalogue)


def _terms_of(
    tenant: Tenant, upstream: Upstream, *, catalogue: Mapping[str, Provider]
) -> list[str]:
    name = upstream.provider
    if upstream.mailbox is not None:  # it sends through that mailbox's own account
        name = tenant.mailboxes[upstream.mailbox].provider
    said = catalogue[name].dns.spf.split() if name in catalogue else []
    # Where the preset has prose instead of terms, the host itself is what may send.
    if said and all(word.startswith(MECHANISMS) for word in said):
        return said
    return [f"a:{upstream.host}"] if upstream.host else []


def _find_owner(gateway: Opened, text: str) -> tuple[Tenant, str]:
    try:
        domain = parse_domain(text)
    except ValueError:
        domain = text
    known = gateway.store.read_now(tenants.load_all)
    for tenant in known.values():
        if domain in tenant.domains:
            return tenant, domain
    names = [name for tenant in known.values() for name in tenant.domains]
    make = "add it to a tenant file and gateway apply it"
    raise refuse_unknown(domain, names, thing="domain", make=make)


def _print_record(record: DnsRecord) -> None:
    print_line(f"{record.name}  {record.type}", style="bold")
    print_line(f"  {record.value}")
    print_line("")
