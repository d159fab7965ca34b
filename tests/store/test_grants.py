from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant_file import read_tenant_file
from gateway.net.oauth import Tokens
from gateway.store import grants, lanes, mailboxes, states, tenants
from gateway.store.grants import LEASE, Grant
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store
from gateway.store.states import MailboxState
from tests.store.values import NOON

BOX = "shop@acme.example"
KEY = ("acme", BOX)
TENANT = f'tenant = "acme"\n[mailboxes."{BOX}"]\nprovider = "m365"\nclient_id = "me"\n'
HOUR = timedelta(hours=1)
FIRST = Tokens(access="a1", life=HOUR, refresh="r1")
SECOND = Tokens(access="a2", life=HOUR, refresh="r2")


@pytest.fixture
def seal(store: Store, tmp_path: Path) -> Seal:
    """The seal of a store whose tenant's mailbox was authorized."""
    seal = Seal.load(tmp_path / "secret.key")
    file = read_tenant_file(tomllib.loads(TENANT))
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    store.write_now(grants.authorize, seal, *KEY, FIRST, now=NOON)
    return seal


def kept(store: Store, seal: Seal) -> Grant:
    return store.read_now(grants.load, seal, *KEY)


def test_an_access_token_is_usable_until_shortly_before_its_end(
    store: Store, seal: Seal
) -> None:
    grant = kept(store, seal)
    assert (grant.refresh, grant.authorized_at) == ("r1", NOON)
    assert grant.usable(now=NOON) == "a1"
    assert grant.usable(now=NOON, refused="a1") is None
    assert grant.usable(now=NOON, refused="a0") == "a1"
    assert grant.usable(now=NOON + timedelta(minutes=54)) == "a1"
    assert grant.usable(now=NOON + timedelta(minutes=55)) is None


def test_one_holder_renews_at_a_time(store: Store, seal: Seal) -> None:
    first = store.write_now(grants.borrow, seal, *KEY, holder="one", now=NOON)
    assert first is not None
    assert first.refresh == "r1"
    assert store.write_now(grants.borrow, seal, *KEY, holder="two", now=NOON) is None
    assert store.write_now(grants.keep, seal, *KEY, SECOND, holder="one", now=NOON)
    second = store.write_now(grants.borrow, seal, *KEY, holder="two", now=NOON)
    assert second is not None
    assert (second.refresh, second.usable(now=NOON)) == ("r2", "a2")
    store.write_now(grants.give_back, *KEY, holder="two")
    assert store.write_now(grants.borrow, seal, *KEY, holder="one", now=NOON)


def test_a_holder_that_died_is_succeeded_and_keeps_nothing_any_more(
    store: Store, seal: Seal
) -> None:
    store.write_now(grants.borrow, seal, *KEY, holder="dead", now=NOON)
    later = NOON + LEASE
    assert store.write_now(grants.borrow, seal, *KEY, holder="next", now=later)
    assert not store.write_now(grants.keep, seal, *KEY, SECOND, holder="dead", now=later)
    assert kept(store, seal).refresh == "r1"


def test_a_holder_takes_up_what_its_earlier_life_held(store: Store, seal: Seal) -> None:
    for _ in range(2):
        assert store.write_now(grants.borrow, seal, *KEY, holder="server", now=NOON)
    assert store.write_now(grants.borrow, seal, *KEY, holder="other", now=NOON) is None


def test_what_a_person_grants_meanwhile_is_not_overwritten(store: Store, seal: Seal) -> None:
    store.write_now(grants.borrow, seal, *KEY, holder="one", now=NOON)
    store.write_now(grants.authorize, seal, *KEY, SECOND, now=NOON + HOUR)
    assert not store.write_now(grants.keep, seal, *KEY, FIRST, holder="one", now=NOON)
    assert (kept(store, seal).refresh, kept(store, seal).authorized_at) == ("r2", NOON + HOUR)


def test_a_renewal_without_a_new_refresh_token_keeps_the_one_there_is(
    store: Store, seal: Seal
) -> None:
    """RFC 6749 §6: a new refresh token may be issued."""
    store.write_now(grants.borrow, seal, *KEY, holder="one", now=NOON)
    tokens = Tokens(access="a2", life=HOUR)
    store.write_now(grants.keep, seal, *KEY, tokens, holder="one", now=NOON)
    assert (kept(store, seal).refresh, kept(store, seal).access) == ("r1", "a2")


def test_a_permission_revives_the_mailbox_and_its_lane(store: Store, seal: Seal) -> None:
    lane = Lane("acme", LaneKind.UPSTREAM, BOX)

    def die(db: Db) -> None:
        state = MailboxState(address=BOX, state="dead", since=NOON, reason="no")
        states.save_mailbox_state(db, state)
        lanes.pause_lane(db, lane, by="sign-in", reason="no", fix=None, now=NOON)

    store.write_now(die)
    before = store.read_now(tenants.revision)
    store.write_now(grants.authorize, seal, *KEY, SECOND, now=NOON)
    state = store.read_now(states.mailbox_state, BOX)
    assert state is not None
    assert state.state == "suspect"
    assert not store.read_now(lanes.is_paused, lane, now=NOON)
    assert store.read_now(tenants.revision) > before


def test_tokens_are_sealed_and_resealed(store: Store, seal: Seal) -> None:
    def sealed(db: Db) -> list[bytes]:
        return [row[0] for row in db.execute("SELECT sealed FROM secrets")]

    assert not [one for one in store.read_now(sealed) if one in (b"r1", b"a1")]
    seal.rotate()
    store.write_now(tenants.reseal, seal)
    assert kept(store, seal).refresh == "r1"


def test_nothing_stays_of_a_mailbox_that_is_removed(store: Store, seal: Seal) -> None:
    store.write_now(mailboxes.delete, *KEY, force=False, now=NOON)
    assert kept(store, seal) == Grant()
