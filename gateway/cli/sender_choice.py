"""Whose mail a person sends: which tenant, as which of its senders. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.cli.refusal import Refusal, read_address, refuse_unknown
from gateway.mail.address import Address, parse_address
from gateway.mail.tenant import Tenant
from gateway.submission.admission import find_sender


@dataclass(frozen=True, slots=True)
class Choice:
    """A tenant and the address that it sends as; `others` might have been chosen as well."""

    tenant: Tenant
    address: Address
    others: tuple[str, ...] = ()


def choose(known: Mapping[str, Tenant], *, tenant: str | None, sender: str | None) -> Choice:
    """Return who sends; without `sender` the tenant's first that has an upstream.

    Raises Refusal that says what to choose from. `tenant` is one of `known`.
    """
    if not known:
        raise Refusal(
            "there are no tenants yet; gateway tenant add NAME, or gateway apply FILE"
        )
    if sender is None:
        return _first_sender(_only(known, tenant))
    address = read_address(sender)
    owner = known[tenant] if tenant is not None else _owner(known, address)
    if find_sender(owner, address, address) is None:
        make = f"gateway upstream add {owner.id} adds one"
        raise refuse_unknown(address.key, owner.senders, thing="sender", make=make)
    return Choice(owner, address)


def _only(known: Mapping[str, Tenant], tenant: str | None) -> Tenant:
    if tenant is None and len(known) > 1:
        raise Refusal(f"whose mail? Give --tenant ({', '.join(known)}) or --from ADDRESS")
    return known[tenant or next(iter(known))]


def _first_sender(tenant: Tenant) -> Choice:
    senders = sorted(tenant.senders.values(), key=lambda one: one.upstream is None)
    exact = [one.address for one in senders if not one.address.startswith("*")]
    if exact:
        return Choice(tenant, parse_address(exact[0]), tuple(exact[1:]))
    if senders:
        any_of = ", ".join(one.address for one in senders)
        raise Refusal(f"{tenant.id} sends as any address of {any_of}: give one with --from")
    raise Refusal(f"{tenant.id} has no sender yet; gateway upstream add {tenant.id} adds one")


def _owner(known: Mapping[str, Tenant], address: Address) -> Tenant:
    owners = [
        tenant
        for tenant in known.values()
        if address.domain in tenant.domains or find_sender(tenant, address, address)
    ]
    if not owners:
        senders = [one for tenant in known.values() for one in tenant.senders]
        make = "gateway upstream add TENANT adds one"
        raise refuse_unknown(address.key, senders, thing="sender", make=make)
    if len(owners) > 1:  # an address at a provider's own domain
        names = " and ".join(one.id for one in owners)
        raise Refusal(f"{names} send as {address}: choose with --tenant")
    return owners[0]
