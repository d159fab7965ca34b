"""What becomes of a mail before, or without, any policy."""

from __future__ import annotations

import asyncio
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from gateway.actions.perform import Judged
from gateway.app.directory import Directory
from gateway.app.foundation import Foundation
from gateway.app.judge import Judge
from gateway.app.policies import CurrentChains
from gateway.config import RetentionSettings, Settings
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.plan import EffectKind, end_of_hold
from gateway.mail.tenant_file import read_tenant_file
from gateway.policy.files import Chains
from gateway.providers.catalogue import load_catalogue
from gateway.sieve.interface import Limits
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


def judged(
    home: Path, tenant: str, *, junk: bool = False, chains: CurrentChains = NONE
) -> Judged:
    store, seal = Store.open(home / "gateway.db"), Seal.load(home / "secret.key")
    file = read_tenant_file(tomllib.loads(tenant))
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    fetched = Fetched(
        id="01ARZ3NDEKTSV4RRFF", tenant="acme", mailbox="shop@acme.example", folder="Junk",
        uidvalidity=1, uid=1, internal_date=NOON,
        content=b"From: a@x.example\r\nAuthentication-Results: x; dkim=pass\r\n\r\nWin!\r\n",
        junk=junk,
    )  # fmt: skip
    store.write_now(inbox.store_fetched, fetched, now=NOON)

    async def work() -> Judged:
        directory = Directory(store, seal)
        await directory.look()
        base = Foundation(
            settings=Settings(path=home / "gateway.conf"), store=store, seal=seal,
            directory=directory, catalogue=load_catalogue(),
        )  # fmt: skip
        judge = Judge(base, chains, now=lambda: NOON)
        found = await judge.judge(fetched, Authenticity())
        judge.close()
        return found

    try:
        return asyncio.run(work())
    finally:
        store.close()


def test_junk_that_is_to_be_told_of_is_held_for_as_long_as_it_is_kept(tmp_path: Path) -> None:
    (hold,) = judged(tmp_path, TENANT, junk=True).plan.effects
    assert (hold.kind, hold.reason) == (EffectKind.HOLD, "it lies in the folder for junk")
    assert end_of_hold(hold, begun_at=NOON) == NOON + RetentionSettings().received
    assert hold.arguments["then"] == "discard"
    edited = {one.name: one.value for one in hold.edits}
    assert edited["X-Gateway-Conversation"]
    assert edited["Authentication-Results"] is None  # no policy sees what anybody wrote


def test_a_mailbox_with_a_route_of_its_own_keeps_to_that_one(tmp_path: Path) -> None:
    """A copy to the tenant's route does not take the place of the delivery."""
    routes = "".join(
        f'[routes.{one}]\ntype = "smtp"\nhost = "h"\n' for one in ("desk", "sales")
    )
    tenant = f'route = "desk"\n{TENANT}route = "sales"\n{routes}'
    (tmp_path / "inbound").mkdir()
    (tmp_path / "inbound" / "1.sieve").write_text('fileinto :copy "desk";')
    files = Chains(tmp_path, limits=Limits(), clock=time.monotonic, report=lambda *_: None)
    chains = CurrentChains(files)
    plan = judged(tmp_path, tenant, chains=chains).plan
    chains.close()
    assert [(one.kind, one.target) for one in plan.effects] == [
        (EffectKind.STORE, "desk"),
        (EffectKind.STORE, "INBOX"),
    ]
