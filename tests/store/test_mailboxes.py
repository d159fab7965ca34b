from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.ids import new_id
from gateway.mail.inbound import Fetched
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import folders, holds, inbox, lanes, mailboxes, queue, states, tenants
from gateway.store.errors import Conflict
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store
from gateway.store.states import MailboxState
from tests.store.values import CONTENT, NOON, outgoing

BOX = "shop@163.com"
TENANT = """
tenant = "acme"
[senders."shop@163.com"]
upstream = "box"
[upstreams.box]
mailbox = "shop@163.com"
[mailboxes."shop@163.com"]
provider = "netease-163"
"""
OWN = Lane("acme", LaneKind.UPSTREAM, BOX)
BY_NAME = Lane("acme", LaneKind.UPSTREAM, "box")


@pytest.fixture
def seal(store: Store, tmp_path: Path) -> Seal:
    """The seal of a store that has the tenant, whose code was applied from a file."""
    seal = Seal.load(tmp_path / "secret.key")
    file = read_tenant_file(tomllib.loads(TENANT))
    secrets = {("mailbox", BOX): "first-code"}
    store.write_now(tenants.apply_tenant, file, secrets, seal, now=NOON)
    return seal


def fetched() -> Fetched:
    return Fetched(
        id=new_id(),
        tenant="acme",
        mailbox=BOX,
        folder="INBOX",
        uidvalidity=1,
        uid=7,
        internal_date=NOON,
        content=CONTENT,
    )


def dead(db: Db) -> None:
    state = MailboxState(address=BOX, state="dead", since=NOON, reason="no", evidence="[]")
    states.save_mailbox_state(db, state)
    states.set_paused(db, BOX, paused=True, now=NOON)


def test_resuming_a_dead_mailbox_has_its_mail_due_and_its_sign_in_tried(
    store: Store, seal: Seal
) -> None:
    store.write_now(dead)
    for lane in (OWN, BY_NAME):
        store.write_now(queue.accept, outgoing(lane=lane), now=NOON)
        store.write_now(lanes.pause_lane, lane, by="sign-in", reason="no", fix=None, now=NOON)
    later = NOON + timedelta(hours=1)
    assert store.write_now(mailboxes.resume, "acme", BOX, now=later) == 2
    state = store.read_now(states.mailbox_state, BOX)
    assert state is not None
    assert (state.state, state.paused) == ("suspect", False)
    assert all(one.paused_by is None for one in store.read_now(lanes.lane_states))


def test_a_new_code_revives_a_dead_mailbox_but_not_a_paused_one(
    store: Store, seal: Seal
) -> None:
    store.write_now(dead)
    store.write_now(lanes.pause_lane, OWN, by="sign-in", reason="no", fix=None, now=NOON)
    store.write_now(tenants.put_secret, seal, "acme", "mailbox", BOX, "new-code", now=NOON)
    state = store.read_now(states.mailbox_state, BOX)
    assert state is not None
    assert (state.state, state.paused) == ("suspect", True)
    assert [one.paused_by for one in store.read_now(lanes.lane_states)] == [None]


def test_with_a_new_code_copies_for_the_folder_of_sent_mail_are_due_at_once(
    store: Store, seal: Seal
) -> None:
    copies = Lane("acme", LaneKind.SENT, BOX)
    copy = store.write_now(queue.accept, outgoing(lane=copies), now=NOON)
    later = NOON + timedelta(hours=1)
    store.write_now(lambda db: db.execute("UPDATE delivery SET next_attempt_at = 9e9"))
    renew = mailboxes.renew
    assert store.write_now(renew, seal, "acme", BOX, "new-code", now=later) == 1
    found = store.read_now(
        lambda db: db.execute("SELECT message, next_attempt_at FROM delivery").fetchall()
    )
    assert found == [(copy, later.timestamp())]


def test_a_mailbox_that_mail_needs_is_not_removed_and_the_counts_are_told(
    store: Store, seal: Seal
) -> None:
    store.write_now(inbox.store_fetched, fetched(), now=NOON)
    store.write_now(queue.accept, outgoing(lane=OWN), now=NOON)
    with pytest.raises(Conflict, match="mail from shop"):
        store.write_now(mailboxes.delete, "acme", BOX, force=False, now=NOON)
    without_senders = TENANT.replace('upstream = "box"\n', "")
    file = read_tenant_file(tomllib.loads(without_senders))
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    with pytest.raises(Conflict, match="not done with: 1, waiting to leave by it: 1"):
        store.write_now(mailboxes.delete, "acme", BOX, force=False, now=NOON)


def test_force_holds_what_needs_it_and_forgets_where_fetching_stood(
    store: Store, seal: Seal
) -> None:
    message = fetched()
    store.write_now(inbox.store_fetched, message, now=NOON)
    sent = store.write_now(queue.accept, outgoing(lane=BY_NAME), now=NOON)
    store.write_now(mailboxes.delete, "acme", BOX, force=True, now=NOON)
    kept = store.read_now(inbox.load, message.id)
    assert kept is not None
    assert (kept.outcome, kept.rule) == ("held", "its mailbox was removed")
    tenant = store.read_now(tenants.load, "acme")
    assert tenant is not None
    assert (tenant.mailboxes, tenant.upstreams) == ({}, {})
    assert tenant.senders[BOX].upstream is None
    assert not store.read_now(tenants.has_secret, "acme", "mailbox", BOX)
    held = store.read_now(
        lambda db: db.execute("SELECT message, state FROM delivery").fetchall()
    )
    assert held == [(sent, "held")]
    store.write_now(holds.release, message.id, event="queue.release", now=NOON)
    [left] = store.read_now(inbox.unfinished)
    assert not left.was_begun  # it was not judged yet


def test_no_code_is_kept_of_a_mailbox_that_was_removed_while_it_was_proven(
    store: Store, seal: Seal
) -> None:
    store.write_now(mailboxes.delete, "acme", BOX, force=True, now=NOON)
    with pytest.raises(Conflict, match="removed meanwhile"):
        store.write_now(mailboxes.renew, seal, "acme", BOX, "new-code", now=NOON)
    assert not store.read_now(tenants.has_secret, "acme", "mailbox", BOX)


def test_a_mailbox_that_is_added_again_begins_anew(store: Store, seal: Seal) -> None:
    """Though its watcher wrote where it stood after the mailbox was removed."""
    later = NOON + timedelta(days=30)
    store.write_now(mailboxes.delete, "acme", BOX, force=True, now=NOON)
    store.write_now(
        folders.start_folder, mailbox=BOX, folder="INBOX", uidvalidity=1, baseline_uid=7,
        now=NOON,
    )  # fmt: skip
    file = read_tenant_file(tomllib.loads(TENANT))
    store.write_now(tenants.apply_tenant, file, {}, seal, now=later)
    for name in ("INBOX", folders.JUNK_TO_COME):
        at = store.read_now(folders.cursor, BOX, name)
        assert at is not None
        assert (at.uidvalidity, at.connected_at) == (folders.NOT_SEEN, later)


def test_answers_are_switched_and_the_rest_stays(store: Store, seal: Seal) -> None:
    before = store.read_now(tenants.revision)
    store.write_now(mailboxes.set_answers, "acme", BOX, answers=True)
    tenant = store.read_now(tenants.load, "acme")
    assert tenant is not None
    assert tenant.mailboxes[BOX].answers
    assert tenant.mailboxes[BOX].provider == "netease-163"
    assert store.read_now(tenants.revision) > before
