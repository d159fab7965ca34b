"""`gateway tenant`: add, list, show, remove."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from gateway.cli.apply import as_document
from gateway.cli.asking import agree
from gateway.cli.opening import Config, Force, Json, TenantId, Verbs, Yes, opened, utc_now
from gateway.cli.output import print_json, print_line, print_next, print_pairs, print_table
from gateway.cli.refusal import Refusal
from gateway.mail.schema import SchemaError
from gateway.mail.tenant import Tenant
from gateway.mail.tenant_file import TenantFile, find_faults, read_tenant_file
from gateway.providers.catalogue import load_catalogue
from gateway.store import tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db

SHOWN = ("senders", "upstreams", "mailboxes", "credentials")
PARTS = ("domains", "senders", "upstreams", "mailboxes", "routes", "hooks", "credentials")


def add(
    tenant: TenantId,
    *,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    owner: Annotated[str, typer.Option(help="Who is asked to sign in again.")] = "",
    timezone: Annotated[str, typer.Option(help="Such as Europe/Berlin.")] = "UTC",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add a tenant."""
    given = {"name": name, "owner": owner, "timezone": timezone}
    table = {"tenant": tenant, **{key: text for key, text in given.items() if text}}
    try:
        file = read_tenant_file(table)
    except SchemaError as error:
        raise Refusal(str(error)) from error
    if faults := list(find_faults(file.tenant, providers=load_catalogue())):
        raise Refusal(*faults)
    with opened(config) as gateway:
        gateway.store.write_now(add_new, file, gateway.load_seal(), now=utc_now())
    if as_json:
        print_json(table)
        return
    print_line(f"{tenant}: added")
    print_next(f"gateway credential add {tenant} helpdesk", f"gateway export {tenant}")


def list_(*, config: Config = None, as_json: Json = False) -> None:
    """List the tenants."""
    with opened(config) as gateway:
        found = gateway.store.read_now(tenants.load_all).values()
    if as_json:
        print_json([_summary(one) for one in found])
        return
    print_table(
        ["tenant", "name", *SHOWN],
        ([one.id, one.name, *(_counts(one)[part] for part in SHOWN)] for one in found),
        empty="there are no tenants yet: gateway tenant add NAME, or gateway apply FILE",
    )


def show(tenant: TenantId, *, config: Config = None, as_json: Json = False) -> None:
    """Show everything of a tenant but its secrets."""
    with opened(config) as gateway:
        found = gateway.find_tenant(tenant)
        settings, items = gateway.store.read_now(tenants.tables, tenant) or ({}, {})
    if as_json:
        print_json(as_document(tenant, settings, items))
        return
    print_pairs(
        [
            ("tenant", found.id),
            ("name", found.name),
            ("owner", found.owner),
            ("route", found.route),
            ("timezone", found.timezone),
            ("hours", found.hours),
            *((part, ", ".join(getattr(found, part))) for part in PARTS),
        ]
    )
    print_next(f"gateway export {tenant}")


def remove(
    tenant: TenantId,
    *,
    yes: Yes = False,
    force: Force = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove a tenant and everything of it; refused while mail still needs it."""
    with opened(config) as gateway:
        gateway.find_tenant(tenant)
        agree(f"Remove {tenant} and everything of it?", yes=yes)
        gateway.store.write_now(tenants.remove_tenant, tenant, force=force, now=utc_now())
    if as_json:
        print_json({"tenant": tenant, "removed": True})
        return
    print_line(f"{tenant}: removed; its mail stays in the log")
    print_next("gateway tenant list")


def add_new(db: Db, file: TenantFile, seal: Seal, *, now: datetime) -> None:
    """Add a tenant; raises Refusal when there is one of its name, of this very moment too."""
    id_ = file.tenant.id
    if tenants.tables(db, id_) is not None:
        raise Refusal(f"there is a tenant '{id_}' already; gateway tenant show {id_}")
    tenants.apply_tenant(db, file, {}, seal, now=now)


VERBS: Verbs = {"add": add, "list": list_, "show": show, "remove": remove}


def _summary(tenant: Tenant) -> dict[str, object]:
    named = {"tenant": tenant.id, "name": tenant.name, "owner": tenant.owner}
    return {**named, **_counts(tenant)}


def _counts(tenant: Tenant) -> dict[str, int]:
    return {part: len(getattr(tenant, part)) for part in PARTS}
