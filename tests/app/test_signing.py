from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.app.directory import Directory
from gateway.app.signing import Signing
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import queue, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.store.values import LANE, outgoing

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PEM = (
    Ed25519PrivateKey.generate()
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
WITH_DOMAIN = {"tenant": "acme", "domains": {"acme.example": {}}}
WITHOUT = {"tenant": "acme"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def apply(store: Store, seal: Seal, table: Mapping[str, object]) -> None:
    secrets = {("dkim", "acme.example/gw"): PEM} if "domains" in table else {}
    file = read_tenant_file(table)
    store.write_now(tenants.apply_tenant, file, secrets, seal, prune=True, now=NOW)


async def signed(store: Store, seal: Seal, *, meanwhile: Mapping[str, object] = {}) -> bytes:
    """Return a message as it leaves; `meanwhile` is applied after its keys were read."""
    directory = Directory(store, seal)
    await directory.look()
    signing = Signing(store, seal, directory)
    batch = store.write_now(
        queue.claim, LANE, owner="node", now=NOW, lease=NOW - NOW, messages=1, recipients=1
    )[0]
    await signing.prepare(batch.lane.tenant, batch.header_from)
    if meanwhile:
        apply(store, seal, meanwhile)
        directory.expect_change()
        await directory.look()
        await signing.prepare("other", "somebody@other.example")
    return signing.sign(batch.content, batch, "sign")


def test_a_domain_that_is_the_tenants_no_more_is_not_signed_for(
    store: Store, tmp_path: Path
) -> None:
    """Its keys are kept for a while: somebody else may have the domain meanwhile."""
    seal = Seal.load(tmp_path / "secret.key")
    for _ in range(2):
        store.write_now(queue.accept, outgoing(), now=NOW)
    apply(store, seal, WITH_DOMAIN)
    assert b"d=acme.example" in asyncio.run(signed(store, seal))
    apply(store, seal, WITHOUT)
    assert store.read_now(tenants.dkim_keys, seal, "acme", "acme.example")
    assert asyncio.run(signed(store, seal)).startswith(b"From: ")


def test_what_is_on_its_way_while_tenants_change_is_signed(
    store: Store, tmp_path: Path
) -> None:
    """Between the keys and the final dot lie a connection and a sign-in: seconds."""
    seal = Seal.load(tmp_path / "secret.key")
    store.write_now(queue.accept, outgoing(), now=NOW)
    apply(store, seal, WITH_DOMAIN)
    changed = WITH_DOMAIN | {"name": "Acme"}
    assert b"d=acme.example" in asyncio.run(signed(store, seal, meanwhile=changed))


def test_a_domain_that_is_lost_meanwhile_is_not_signed_for(
    store: Store, tmp_path: Path
) -> None:
    seal = Seal.load(tmp_path / "secret.key")
    store.write_now(queue.accept, outgoing(), now=NOW)
    apply(store, seal, WITH_DOMAIN)
    assert asyncio.run(signed(store, seal, meanwhile=WITHOUT)).startswith(b"From: ")
