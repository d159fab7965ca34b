from __future__ import annotations

from dataclasses import replace

from gateway.store import chains, tenants
from gateway.store.sqlite import Db, Store
from tests.store.values import NOON

KEPT = chains.KeptChain(
    tenant="acme", kind="inbound", version="1" * 16, content="{}", kept_at=NOON
)


def add_tenant(db: Db) -> None:
    db.execute("INSERT INTO tenants (id, settings, changed_at) VALUES ('acme', '{}', 0)")


def test_the_last_chain_of_a_kind_is_kept_until_its_tenant_is_gone(store: Store) -> None:
    store.write_now(add_tenant)
    newer = replace(KEPT, version="2" * 16)
    outbound = replace(KEPT, kind="outbound")
    for one in (KEPT, newer, outbound):
        store.write_now(chains.keep, one)
    found = store.read_now(chains.load_all)
    assert found == {("acme", "inbound"): newer, ("acme", "outbound"): outbound}
    store.write_now(tenants.remove_tenant, "acme", now=KEPT.kept_at)
    assert store.read_now(chains.load_all) == {}


def test_nothing_is_kept_for_a_tenant_that_is_gone(store: Store) -> None:
    store.write_now(chains.keep, KEPT)
    assert store.read_now(chains.load_all) == {}
