"""`gateway credential`: submission logins of helpdesks; a password is shown once."""

from __future__ import annotations

import ipaddress
import secrets
from datetime import datetime
from typing import Annotated, Any

import typer

from gateway.cli.opening import Config, Json, OfTenant, TenantId, Verbs, opened, utc_now
from gateway.cli.output import (
    Cell,
    print_json,
    print_line,
    print_next,
    print_pairs,
    print_table,
)
from gateway.cli.refusal import Refusal, refuse_unknown
from gateway.mail.tenant import Tenant
from gateway.store import tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db

PASSWORD_BYTES = 32

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]


def add(
    tenant: TenantId,
    name: Name,
    *,
    network: Annotated[
        list[str] | None,
        typer.Option(metavar="NETWORK", help="Only from there, such as 10.1.0.0/16."),
    ] = None,
    messages_per_hour: Annotated[
        int | None, typer.Option(min=1, help="Left out: no limit.", show_default=False)
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a submission login, and print its password once."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise Refusal(f"'{name}': a name has letters, digits, - and _")
    settings = _settings(network or [], messages_per_hour)
    password = new_password()
    with opened(config) as gateway:
        gateway.find_tenant(tenant)
        seal = gateway.load_seal()
        gateway.store.write_now(make, seal, (tenant, name), settings, password, now=utc_now())
    if as_json:
        print_json({"username": f"{tenant}.{name}", "password": password})
        return
    print_pairs([("username", f"{tenant}.{name}"), ("password", password)])
    print_line("The password is shown this once; only its hash is kept.", style="yellow")
    print_next("enter both in the SMTP settings of the helpdesk")


def list_(*, tenant: OfTenant = None, config: Config = None, as_json: Json = False) -> None:
    """List the submission logins."""
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        known = gateway.store.read_now(tenants.load_all)
        usable = gateway.store.read_now(tenants.credentials)
    rows: list[dict[str, Any]] = [
        {
            "username": f"{one.id}.{credential.name}",
            "tenant": one.id,
            "networks": list(credential.networks),
            "messages_per_hour": credential.messages_per_hour,
            "has_password": f"{one.id}.{credential.name}" in usable,
        }
        for one in known.values()
        if tenant in (None, one.id)
        for credential in one.credentials.values()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        ["username", "networks", "messages an hour", "password"],
        ([row["username"], *_shown(row)] for row in rows),
        empty="there are no submission logins yet: gateway credential add TENANT NAME",
    )


def revoke(
    tenant: TenantId,
    name: Name,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove a submission login; the next sign-in with it is refused."""
    with opened(config) as gateway:
        known = gateway.find_tenant(tenant).credentials
        if name not in known:
            make = f"gateway credential add {tenant} {name}"
            raise refuse_unknown(name, known, thing="credential", make=make)
        gateway.store.write_now(_revoke, tenant, name)
    if as_json:
        print_json({"username": f"{tenant}.{name}", "revoked": True})
        return
    print_line(f"{tenant}.{name}: revoked")
    print_next(f"gateway credential add {tenant} {name}")


VERBS: Verbs = {"add": add, "list": list_, "revoke": revoke}


def new_password() -> str:
    """Return a password that no command takes for one of its options."""
    while (made := secrets.token_urlsafe(PASSWORD_BYTES)).startswith("-"):
        pass
    return made


def make(
    db: Db,
    seal: Seal,
    login: tuple[str, str],
    settings: dict[str, Any],
    password: str,
    *,
    now: datetime,
) -> None:
    """Keep a login, (tenant, name); raises Refusal when it has a password, of this very moment
    too: somebody was shown that one."""
    tenant, name = login
    if tenants.has_secret(db, tenant, "credential", name):
        step = f"gateway credential revoke {tenant} {name} comes first"
        raise Refusal(f"{tenant}.{name} has a password already; {step}")
    known = tenants.load(db, tenant)
    if known is None:
        raise Refusal(f"the tenant {tenant} was removed meanwhile")
    item = settings or _known_settings(known, name)
    tenants.put_item(db, tenant, "credential", name, item)
    tenants.put_secret(db, seal, tenant, "credential", name, password, now=now)


def _revoke(db: Db, tenant: str, name: str) -> None:
    tenants.remove_item(db, tenant, "credential", name, now=utc_now())
    tenants.bump(db)


def _settings(networks: list[str], messages_per_hour: int | None) -> dict[str, Any]:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise Refusal(f"--network: {error}") from error
    given = {"networks": networks or None, "messages_per_hour": messages_per_hour}
    return {key: value for key, value in given.items() if value is not None}


def _known_settings(tenant: Tenant, name: str) -> dict[str, Any]:
    """What a tenant file said of a login that got no password yet."""
    if (known := tenant.credentials.get(name)) is None:
        return {}
    return _settings(list(known.networks), known.messages_per_hour)


def _shown(row: dict[str, Any]) -> list[Cell]:
    limit = row["messages_per_hour"]
    return [
        ", ".join(row["networks"]) or "any",
        "no limit" if limit is None else str(limit),
        row["has_password"],
    ]
