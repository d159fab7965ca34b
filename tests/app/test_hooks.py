from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.actions.event import write_event
from gateway.app.directory import Directory
from gateway.app.foundation import Foundation
from gateway.app.hooks import HookCarrier, without_target
from gateway.config import RouteSettings, Settings
from gateway.mail.delivery import Decision, Lane, LaneKind, Result, State
from gateway.mail.tenant_file import read_tenant_file
from gateway.providers.catalogue import load_catalogue
from gateway.store import lanes, people, queue, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.servers.webhook import SECRET, Helpdesk
from tests.store.values import NOON, outgoing

EVENTS = Lane("acme", LaneKind.HOOK, "events")
TENANT = """
tenant = "acme"
[hooks.events]
url = "URL"
secret_file = "secret"
events = ["message.held"]
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


@pytest.fixture
def helpdesk() -> Iterator[Helpdesk]:
    server = Helpdesk()
    yield server
    server.close()


def test_an_event_whose_hook_is_gone_is_due_again_and_is_no_try(store: Store) -> None:
    store.write_now(queue.accept, outgoing(lane=EVENTS), now=NOON)
    (batch,) = store.write_now(
        queue.claim, EVENTS, owner="node", now=NOON, lease=timedelta(hours=1), messages=1,
        recipients=1,
    )  # fmt: skip
    results = [without_target(one.number, NOON) for one in batch.deliveries]
    store.write_now(queue.record, batch, results, now=NOON)
    (due,) = store.read_now(lanes.due_lanes, now=NOON)
    assert (due.lane, due.next_at) == (EVENTS, NOON)
    (entry,) = store.read_now(people.entries)
    (recipient,) = entry.recipients
    assert (recipient.state, recipient.attempts) == (State.QUEUED, 0)
    assert "has no password" in (entry.reason or "")


def test_while_a_secret_changes_a_receiver_may_have_either(
    store: Store, tmp_path: Path, helpdesk: Helpdesk
) -> None:
    text = TENANT.replace("URL", helpdesk.url)
    secret = {("hook", "events"): f"whsec_bmV3\n{SECRET}"}
    seal = Seal.load(tmp_path / "secret.key")
    file = read_tenant_file(tomllib.loads(text))
    store.write_now(tenants.apply_tenant, file, secret, seal, now=NOON)
    settings = Settings(
        path=tmp_path / "gateway.conf",
        routes=RouteSettings(private_networks=("127.0.0.0/8",)),
    )
    now = datetime.now(UTC)

    async def work() -> Result:
        directory = Directory(store, seal)
        await directory.look()
        base = Foundation(
            settings=settings, store=store, seal=seal, directory=directory,
            catalogue=load_catalogue(),
        )  # fmt: skip
        carrier = HookCarrier(base, link=lambda message, part: f"{message}/{part}")
        (event,) = write_event(directory.tenants["acme"], "message.held", {}, now=now)
        await store.write(queue.accept, event, now=now)
        (batch,) = await store.write(
            queue.claim, EVENTS, owner="node", now=now, lease=timedelta(hours=1), messages=1,
            recipients=1,
        )  # fmt: skip
        (result,) = await carrier.attempt(batch)
        await carrier.close()
        return result

    assert asyncio.run(work()).verdict.decision is Decision.DELIVERED
    assert [one.type for one in helpdesk.received] == ["message.held"]
