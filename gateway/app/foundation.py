"""What every journey stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.app.directory import Directory
from gateway.config import Settings
from gateway.providers.catalogue import Provider
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
