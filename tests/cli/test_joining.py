from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.joining import join, save_joined
from gateway.cli.refusal import Refusal
from gateway.mail.tenant_file import Items, read_tenant_file
from gateway.store import mailboxes, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
BOX = "shop@acme.example"
TENANT = {
    "tenant": "acme",
    "mailboxes": {BOX: {"host": "imap.acme.example", "answers": True}},
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def add_domain(items: Items) -> Items:
    return {**items, ("domain", "acme.example"): {}}


def add_wrong_sender(items: Items) -> Items:
    return {**items, ("sender", "a@acme.example"): {"upstream": "own"}}


def test_what_others_changed_before_it_is_saved_stays(store: Store, tmp_path: Path) -> None:
    seal = Seal.load(tmp_path / "secret.key")
    file = read_tenant_file(TENANT)
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    to_be = store.read_now(join, "acme", add_domain).tenant
    assert to_be.mailboxes[BOX].answers
    store.write_now(mailboxes.set_answers, "acme", BOX, answers=False)
    store.write_now(save_joined, seal, "acme", add_domain, {}, now=NOON)
    saved = store.read_now(tenants.load, "acme")
    assert saved is not None
    assert not saved.mailboxes[BOX].answers
    assert "acme.example" in saved.domains


def test_what_apply_would_refuse_or_nobody_has_any_more_is_not_saved(
    store: Store, tmp_path: Path
) -> None:
    seal = Seal.load(tmp_path / "secret.key")
    with pytest.raises(Refusal, match="the tenant acme was removed meanwhile"):
        store.write_now(save_joined, seal, "acme", add_domain, {}, now=NOON)
    file = read_tenant_file(TENANT)
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    with pytest.raises(Refusal, match="there is no upstream 'own'"):
        store.write_now(save_joined, seal, "acme", add_wrong_sender, {}, now=NOON)
    saved = store.read_now(tenants.load, "acme")
    assert saved is not None
    assert not saved.senders
