"""What is new joins its tenant as that is when it is saved.

Between the question and the answer lie minutes, in which others change the same tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from gateway.cli.refusal import Refusal
from gateway.mail.schema import SchemaError
from gateway.mail.tenant_file import Items, TenantFile, build_tenant, find_faults
from gateway.providers.catalogue import load_catalogue
from gateway.providers.misfit import find_misfits
from gateway.store import tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db

Add = Callable[[Items], Items]
"""The items of a tenant -> the same with what is new; raises Refusal where it is there."""


def join(db: Db, tenant: str, add: Add) -> TenantFile:
    """Return a tenant as it is to be; raises Refusal for what `apply` would refuse."""
    found = tenants.tables(db, tenant)
    if found is None:
        raise Refusal(f"the tenant {tenant} was removed meanwhile")
    settings, items = found[0], add(found[1])
    try:
        built = build_tenant(tenant, settings, items)
    except SchemaError as error:
        raise Refusal(str(error)) from error
    catalogue = load_catalogue()
    if faults := [*find_faults(built, providers=catalogue), *find_misfits(built, catalogue)]:
        raise Refusal(*faults)
    return TenantFile(tenant=built, settings=settings, items=items)


def save_joined(
    db: Db,
    seal: Seal,
    tenant: str,
    add: Add,
    secrets: Mapping[tuple[str, str], str],
    *,
    now: datetime,
) -> None:
    """Keep a tenant with what is new, and its secrets; raises Refusal as `join` does."""
    tenants.apply_tenant(db, join(db, tenant, add), secrets, seal, now=now)
