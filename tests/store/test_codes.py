from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.mail.tenant_file import read_tenant_file
from gateway.store import codes, mailboxes, states, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from gateway.store.states import MailboxState
from tests.store.values import NOON

BOX = "shop@163.com"
FILE = read_tenant_file(
    tomllib.loads('tenant = "acme"\n[mailboxes."shop@163.com"]\nprovider = "netease-163"\n')
)


@pytest.fixture
def seal(tmp_path: Path) -> Seal:
    return Seal.load(tmp_path / "secret.key")


def apply(store: Store, seal: Seal, code: str) -> None:
    store.write_now(tenants.apply_tenant, FILE, {("mailbox", BOX): code}, seal, now=NOON)


def stands(store: Store, state: str) -> None:
    found = MailboxState(address=BOX, state=state, since=NOON)
    store.write_now(states.save_mailbox_state, found)


def code_of(store: Store, seal: Seal) -> str | None:
    return store.read_now(tenants.open_secret, seal, "acme", "mailbox", BOX)


def test_a_file_makes_only_a_candidate_of_a_code_for_a_mailbox_that_works(
    store: Store, seal: Seal
) -> None:
    apply(store, seal, "first")
    stands(store, "ok")
    apply(store, seal, "second")
    assert code_of(store, seal) == "first"
    assert store.read_now(codes.candidates) == [("acme", BOX)]
    assert store.read_now(tenants.open_secret, seal, "acme", codes.CANDIDATE, BOX) == "second"
    assert store.write_now(codes.refuse_candidate, seal, "acme", BOX, "second")
    assert store.read_now(codes.candidates) == []
    assert store.read_now(codes.days)[BOX].is_newer_refused
    apply(store, seal, "third")
    assert not store.read_now(codes.days)[BOX].is_newer_refused


@pytest.mark.parametrize("state", ["dead", None])
def test_where_nothing_works_the_code_of_a_file_is_used_at_once(
    store: Store, seal: Seal, state: str | None
) -> None:
    apply(store, seal, "first")
    if state:
        stands(store, state)
    apply(store, seal, "second")
    assert code_of(store, seal) == "second"
    assert store.read_now(codes.candidates) == []


def test_a_file_never_undoes_a_renewal(store: Store, seal: Seal) -> None:
    apply(store, seal, "first")
    stands(store, "ok")
    apply(store, seal, "second")
    later = NOON + timedelta(days=1)
    store.write_now(mailboxes.renew, seal, "acme", BOX, "renewed", now=later)
    apply(store, seal, "second")
    assert code_of(store, seal) == "renewed"
    assert store.read_now(codes.candidates) == []
    assert store.read_now(codes.days)[BOX].renewed_on == later.date()


def test_what_comes_of_a_candidate_is_not_held_against_what_came_while_it_was_tried(
    store: Store, seal: Seal
) -> None:
    """Another candidate of the file is tried, too; and a person's code stays."""
    apply(store, seal, "first")
    stands(store, "ok")
    for code in ("second", "third"):
        apply(store, seal, code)
    tried = (seal, "acme", BOX, "second")
    assert not store.write_now(codes.refuse_candidate, *tried)
    assert not store.write_now(mailboxes.take_candidate, *tried, now=NOON)
    assert store.read_now(codes.candidates) == [("acme", BOX)]
    store.write_now(mailboxes.renew, seal, "acme", BOX, "renewed", now=NOON)
    assert not store.write_now(mailboxes.take_candidate, *tried, now=NOON)
    assert code_of(store, seal) == "renewed"
