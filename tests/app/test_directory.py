from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.app.directory import Directory
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import tenants
from gateway.store.errors import StoreError
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_change_that_could_not_be_read_is_read_by_the_next_look(tmp_path: Path) -> None:
    store, key = Store.open(tmp_path / "gateway.db"), tmp_path / "secret.key"
    seal = Seal.load(key)
    directory = Directory(store, seal)

    async def look() -> bool:
        return await directory.look()

    file = read_tenant_file({"tenant": "acme"})
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOW)
    elsewhere = key.rename(tmp_path / "moved.key")
    with pytest.raises(StoreError):
        asyncio.run(look())
    elsewhere.rename(key)
    assert asyncio.run(look())
    assert list(directory.tenants) == ["acme"]
    assert not asyncio.run(look())
    store.close()
