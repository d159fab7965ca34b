"""What every journey stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.app.directory import Directory
from gateway.config import Settings
from gateway.providers.catalogue import Provider, load_catalogue
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """Settings, store, seal, tenants and presets: made once, shared by all."""

    settings: Settings
    store: Store
    seal: Seal
    directory: Directory
    catalogue: Mapping[str, Provider]


def path_of_store(settings: Settings) -> Path:
    """Return where the store's file is, or will be."""
    return settings.state / "gateway.db"


def open_store(settings: Settings) -> Store:
    """Open the store with the bounds of the configuration; raises StoreError."""
    return Store.open(
        path_of_store(settings),
        keep_free=settings.storage.keep_free,
        max_bytes=settings.retention.max_bytes,
        shared=True,
    )


async def lay_foundation(settings: Settings, store: Store) -> Foundation:
    """Read what every journey needs; raises ConfigError or StoreError."""
    seal = Seal.load(settings.state / "secret.key")
    directory = Directory(store, seal)
    await directory.look()
    return Foundation(
        settings=settings,
        store=store,
        seal=seal,
        directory=directory,
        catalogue=load_catalogue(),
    )
