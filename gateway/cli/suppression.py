"""`gateway suppression`: addresses that a tenant's mail is not sent to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.opening import Config, Json, OfTenant, TenantId, Verbs, opened, utc_now
from gateway.cli.output import print_json, print_line, print_next, print_table
from gateway.cli.refusal import read_address, refuse_unknown
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.store import suppressions

COLUMNS = ("address", "tenant", "reason", "evidence", "expires_on")

ToAddress = Annotated[str, typer.Argument(metavar="ADDRESS", show_default=False)]


def list_(*, tenant: OfTenant = None, config: Config = None, as_json: Json = False) -> None:
    """List the addresses that nothing is sent to, why, and until when."""
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        found = gateway.store.read_now(suppressions.entries, tenant=tenant, now=utc_now())
    rows = [as_document(one) for one in found]
    if as_json:
        print_json(rows)
        return
    print_table(
        [column.replace("_", " ") for column in COLUMNS],
        ([row[column] for column in COLUMNS] for row in rows),
        empty="no address is suppressed",
    )
    if found:
        print_next(found[0].remove_command)


def add(
    tenant: TenantId,
    address: ToAddress,
    *,
    note: Annotated[str, typer.Option(help="Why, for whoever looks later.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send nothing to an address until it is removed here; what is queued still goes."""
    key = read_address(address).key
    with opened(config) as gateway:
        gateway.find_tenant(tenant)
        entry = Suppression(
            tenant=tenant, address=key, reason=SuppressionReason.BY_HAND, evidence=note
        )
        gateway.store.write_now(suppressions.suppress, entry, now=utc_now())
    if as_json:
        print_json(as_document(entry))
        return
    print_line(f"{key}: mail of {tenant} to this address is refused from now on")
    print_next(f"gateway queue list --tenant {tenant}", entry.remove_command)


def remove(
    tenant: TenantId, address: ToAddress, *, config: Config = None, as_json: Json = False
) -> None:
    """Let mail go to an address again."""
    key = read_address(address).key
    with opened(config) as gateway:
        gateway.find_tenant(tenant)
        if not gateway.store.write_now(suppressions.lift, tenant, key):
            known = gateway.store.read_now(suppressions.entries, tenant=tenant, now=utc_now())
            names = [one.address for one in known]
            make = f"gateway suppression add {tenant} ADDRESS"
            raise refuse_unknown(key, names, thing="suppressed address", make=make)
    if as_json:
        print_json({"address": key, "tenant": tenant, "removed": True})
        return
    print_line(f"{key}: mail of {tenant} goes to this address again")
    print_next(f"gateway suppression list --tenant {tenant}")


VERBS: Verbs = {"list": list_, "add": add, "remove": remove}


def as_document(one: Suppression) -> dict[str, Any]:
    """Return an entry as `suppression list --json` shows it."""
    return {
        "address": one.address,
        "tenant": one.tenant,
        "reason": one.reason.value,
        "evidence": one.evidence,
        "expires_on": one.expires_on,
    }
