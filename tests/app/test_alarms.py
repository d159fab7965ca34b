"""What an alert tells of is not over because it could not be counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.app import alarms
from gateway.app.alarms import Alarms
from gateway.app.directory import Directory
from gateway.app.foundation import Foundation
from gateway.app.policies import CurrentChains
from gateway.config import AlertSettings, Settings
from gateway.net.concurrency import spawn, stop_tasks
from gateway.providers.catalogue import load_catalogue
from gateway.store import alerts, books
from gateway.store.errors import StoreError
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store

ALERTS = AlertSettings(to=("it@a.example",), sender="gw@a.example", host="127.0.0.1")


class NoFaults:
    """Chains that all compile."""

    def faults(self) -> dict[tuple[str, str], Exception]:
        return {}


def test_what_could_not_be_counted_at_a_start_is_not_told_as_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "LOOK_EVERY_SECONDS", 0.0)
    store, seal = Store.open(tmp_path / "gateway.db"), Seal.load(tmp_path / "secret.key")
    base = Foundation(
        settings=Settings(path=tmp_path / "gateway.conf", alerts=ALERTS), store=store,
        seal=seal, directory=Directory(store, seal), catalogue=load_catalogue(),
    )  # fmt: skip
    store.write_now(books.add, "acme", "out.accepted", 1)
    read, looks, faults = store.read, 0, [StoreError("database is locked")]

    async def counted(work: Any, *args: Any, **options: Any) -> Any:
        nonlocal looks
        if "differences" in work.__name__ and faults and looks:
            raise faults.pop()
        looks += "see" in work.__name__
        return await read(work, *args, **options)

    async def life(until: Callable[[], bool]) -> None:
        task = spawn(Alarms(base, cast(CurrentChains, NoFaults())).keep_looking(), name="look")
        async with asyncio.timeout(60):
            while not until():  # noqa: ASYNC110 - what is waited for is elsewhere
                await asyncio.sleep(0)
        await stop_tasks([task])

    monkeypatch.setattr(store, "read", counted)
    asyncio.run(life(lambda: looks >= 2))
    asyncio.run(life(lambda: looks >= 5))
    known = store.read_now(alerts.known_troubles)
    waiting = store.read_now(alerts.waiting_alerts)
    store.close()
    assert not faults
    assert known["books out"].is_open
    assert len(waiting) == 1
