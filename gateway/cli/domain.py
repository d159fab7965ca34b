"""`gateway domain`: what a tenant sends as, and the records that such a domain publishes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from ipaddress import ip_address
from typing import Annotated

import typer

from gateway.cli import domain_check
from gateway.cli.joining import save_joined
from gateway.cli.opening import Config, Json, Opened, Verbs, opened, utc_now
from gateway.cli.output import print_json, print_line, print_next, warn
from gateway.cli.refusal import Refusal, refuse_unknown
from gateway.domain.keys import DkimKey, make_keys
from gateway.domain.records import DnsRecord, domain_records
from gateway.mail.address import parse_domain
from gateway.mail.tenant import Tenant, Upstream
from gateway.mail.tenant_file import Items
from gateway.providers.catalogue import Provider, load_catalogue
from gateway.store import tenants
from gateway.store.sealing import Seal

Name = Annotated[str, typer.Argument(metavar="DOMAIN", show_default=False)]
MECHANISMS = ("include:", "a:", "mx:", "ip4:", "ip6:")  # RFC 7208 §5


def add(
    domain: Name,
    *,
    tenant: Annotated[
        str, typer.Option(metavar="TENANT", show_default=False, help="Who sends as it.")
    ],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a domain that a tenant sends as: makes its DKIM keys, prints what to publish."""
    name = _read_new(domain)
    with opened(config) as gateway:
        if name in gateway.find_tenant(tenant).domains:
            step = f"gateway domain records {name} shows what it publishes"
            raise Refusal(f"{tenant} has the domain {name} already; {step}")
        _save(gateway, tenant, name)
        found = _wanted(gateway, gateway.find_tenant(tenant), name)
    if as_json:
        shown = [dataclasses.asdict(one) for one in found]
        print_json({"tenant": tenant, "domain": name, "records": shown})
        return
    print_line(
        f"{tenant}: {name} added, with both DKIM keys; publish these records", style="green"
    )
    print_line("")
    _print_records(name, found)
    print_next(f"gateway domain check {name}")


def records(domain: Name, *, config: Config = None, as_json: Json = False) -> None:
    """Print the DNS records that a domain publishes: DKIM, SPF and a DMARC start."""
    with opened(config) as gateway:
        tenant, name = _find_owner(gateway, domain)
        found = _wanted(gateway, tenant, name)
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
        return
    _print_records(name, found)
    print_next("publish them at the DNS provider of the domain, each value as one string")


def check(
    domain: Name,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Look the records of a domain up: published, wrong or missing; exit 1 unless all are."""
    with opened(config) as gateway:
        tenant, name = _find_owner(gateway, domain)
        wanted = _wanted(gateway, tenant, name)
        settings = gateway.settings.dns
    domain_check.tell(name, domain_check.look_up(wanted, settings), as_json=as_json)


VERBS: Verbs = {"add": add, "records": records, "check": check}


def load_keys(gateway: Opened, seal: Seal, *, tenant: str, domain: str) -> list[DkimKey]:
    """Return the DKIM keys of a domain; none when it is new."""
    found = gateway.store.read_now(tenants.dkim_keys, seal, tenant, domain)
    return [DkimKey(selector=selector, pem=pem) for selector, pem in found]


def key_secrets(domain: str, *, made_on: date) -> dict[tuple[str, str], str]:
    """Return fresh keys of a domain, as the secrets that the store keeps."""
    keys = make_keys(made_on=made_on)
    return {("dkim", f"{domain}/{key.selector}"): key.pem for key in keys}


def keys_to_add(
    gateway: Opened, seal: Seal, *, tenant: str, domains: Iterable[str]
) -> dict[tuple[str, str], str]:
    """Return fresh keys for each domain that may have none when it is saved.

    The store keeps those that it has by then: somebody else may be adding the domain, and keys
    of one that was removed may be about to be forgotten.
    """
    _, items = gateway.store.read_now(tenants.tables, tenant) or ({}, {})
    found: dict[tuple[str, str], str] = {}
    for domain in domains:
        if ("domain", domain) not in items or not load_keys(
            gateway, seal, tenant=tenant, domain=domain
        ):
            found |= key_secrets(domain, made_on=utc_now().date())
    return found


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
    return [_term_of(upstream.host)] if upstream.host else []


def _term_of(host: str) -> str:
    """Name a host that may send, by address where it is written as one (RFC 7208 §5)."""
    try:
        return f"ip{ip_address(host).version}:{host}"
    except ValueError:
        return f"a:{host}"


def _read_new(text: str) -> str:
    """Return the name of a domain that may be somebody's own; raises Refusal."""
    try:
        name = parse_domain(text)
    except ValueError as error:
        raise Refusal(str(error)) from error
    if name.startswith("[") or "." not in name:
        raise Refusal(
            f"'{text}' is not a domain that can publish records, such as acme.example"
        )
    for provider in load_catalogue().values():
        if name in provider.domains:
            step = "its senders need no domain here"
            raise Refusal(f"{name} is {provider.name}'s own, which signs by itself: {step}")
    return name


def _save(gateway: Opened, tenant: str, name: str) -> None:
    """Add the domain, and keys where none are left of an earlier time; raises Conflict."""

    def add_domain(items: Items) -> Items:
        return {**items, ("domain", name): {}}

    seal = gateway.load_seal()
    secrets = keys_to_add(gateway, seal, tenant=tenant, domains=[name])
    gateway.store.write_now(save_joined, seal, tenant, add_domain, secrets, now=utc_now())


def _wanted(gateway: Opened, tenant: Tenant, name: str) -> list[DnsRecord]:
    keys = load_keys(gateway, gateway.load_seal(), tenant=tenant.id, domain=name)
    terms = spf_terms(tenant, name, catalogue=load_catalogue())
    return domain_records(name, keys, spf_terms=terms, reports_to=tenant.owner)


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
    make = f"gateway domain add {domain} --tenant TENANT"
    raise refuse_unknown(domain, names, thing="domain", make=make)


def _print_records(domain: str, records: Sequence[DnsRecord]) -> None:
    if not any(one.value.startswith("v=spf1") for one in records):
        warn(f"no upstream sends for {domain} yet, so nothing is said about SPF")
    for one in records:
        print_line(f"{one.name}  {one.type}", style="bold")
        print_line(f"  {one.value}")
        print_line("")
