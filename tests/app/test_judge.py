"""What becomes of a mail before, or without, any policy."""

from __future__ import annotations

import asyncio
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from gateway.actions.perform import Judged
from gateway.app.directory import Directory
from gateway.app.foundation import Foundation
from gateway.app.judge import Judge
from gateway.app.policies import CurrentChains
from gateway.config import Settings
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.plan import EffectKind, end_of_hold
from gateway.mail.tenant_file import read_tenant_file
from gateway.providers.catalogue import load_catalogue
from gateway.store import inbox, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TENANT = """
tenant = "acme"
[mailboxes."shop@acme.example"]
host = "imap.acme.example"
junk = "report"
"""
NONE = cast(CurrentChains, object())  # junk that is only told of is seen by no policy


def test_junk_that_is_to_be_told_of_is_held_for_as_long_as_it_is_kept(tmp_path: Path) -> None:
    store, seal = Store.open(tmp_path / "gateway.db"), Seal.load(tmp_path / "secret.key")
    file = read_tenant_file(tomllib.loads(TENANT))
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    fetched = Fetched(
        id="01ARZ3NDEKTSV4RRFF", tenant="acme", mailbox="shop@acme.example", folder="Junk",
        uidvalidity=1, uid=1, internal_date=NOON,
        content=b"From: a@x.example\r\nAuthentication-Results: x; dkim=pass\r\n\r\nWin!\r\n",
        junk=True,
    )  # fmt: skip
    store.write_now(inbox.store_fetched, fetched, now=NOON)
    settings = Settings(path=tmp_path / "gateway.conf")

    async def work() -> Judged:
        directory = Directory(store, seal)
        await directory.look()
        base = Foundation(
            settings=settings, store=store, seal=seal, directory=directory,
            catalogue=load_catalogue(),
        )  # fmt: skip
        judge = Judge(base, NONE, now=lambda: NOON)
        judged = await judge.judge(fetched, Authenticity())
        judge.close()
        return judged

    (hold,) = asyncio.run(work()).plan.effects
    store.close()
    assert (hold.kind, hold.reason) == (EffectKind.HOLD, "it lies in the folder for junk")
    assert end_of_hold(hold, begun_at=NOON) == NOON + settings.retention.received
    assert hold.arguments["then"] == "discard"
    edited = {one.name: one.value for one in hold.edits}
    assert edited["X-Gateway-Conversation"]
    assert edited["Authentication-Results"] is None  # no policy sees what anybody wrote
