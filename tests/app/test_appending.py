"""An IMAP route, with the store: once in the folder, whatever ends in between."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.app.appending import AppendCarrier
from gateway.app.directory import Directory
from gateway.app.foundation import Foundation
from gateway.config import Settings
from gateway.mail.delivery import Batch, Decision, Lane, LaneKind
from gateway.mail.tenant_file import read_tenant_file
from gateway.providers.catalogue import load_catalogue
from gateway.sandbox.mailbox import MailboxServer
from gateway.store import interrupted, queue, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.mailbox.world import run
from tests.store.values import outgoing

NOW = datetime.now(UTC)
DESK = "desk@desk.example"
LANE = Lane("acme", LaneKind.ROUTE, "desk")
TENANT = f"""
tenant = "acme"
[routes.desk]
type = "imap"
host = "127.0.0.1"
port = PORT
security = "none"
username = "{DESK}"
password_file = "desk"
"""


async def lay(store: Store, seal: Seal, server: MailboxServer) -> Foundation:
    file = read_tenant_file(tomllib.loads(TENANT.replace("PORT", str(server.port))))
    secrets = {("route", "desk"): "code"}
    await store.write(tenants.apply_tenant, file, secrets, seal, now=NOW)
    directory = Directory(store, seal)
    await directory.look()
    return Foundation(
        settings=Settings(path=Path("gateway.conf")),
        store=store,
        seal=seal,
        directory=directory,
        catalogue=load_catalogue(),
    )


async def claimed(store: Store) -> Batch:
    (batch,) = await store.write(
        queue.claim, LANE, owner="node/", now=NOW, lease=timedelta(hours=1), messages=1,
        recipients=1,
    )  # fmt: skip
    return batch


def test_what_was_appended_when_we_ended_is_not_appended_again(tmp_path: Path) -> None:
    """RFC 9051 §6.3.12: nothing but a look tells whether an APPEND was carried out."""

    async def work() -> None:
        server, store = MailboxServer(), Store.open(tmp_path / "gateway.db")
        await server.start()
        server.add_account(DESK, "code")
        base = await lay(store, Seal.load(tmp_path / "secret.key"), server)
        carrier = AppendCarrier(base)
        route = base.directory.tenants["acme"].routes["desk"]
        await store.write(queue.accept, outgoing(lane=LANE), now=NOW)
        await carrier.attempt(await claimed(store), route)  # and its record is lost
        await store.write(interrupted.take_back, owner_prefix="node/", now=NOW)
        (again,) = await carrier.attempt(await claimed(store), route)
        assert again.verdict.decision is Decision.DELIVERED
        assert len(server.folder(DESK).letters) == 1
        carrier.close()
        await server.stop()
        store.close()

    run(work)
