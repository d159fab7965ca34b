from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import lanes, people, queue, tenants
from gateway.store.errors import Conflict
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.store.values import NOON, outgoing

TENANT = """
tenant = "acme"
[upstreams.own]
host = "HOST"
security = "starttls"
username = "relay"
[routes.desk]
type = "smtp"
host = "desk.example"
"""
HOOK = """
[hooks.events]
url = "https://desk.example/events"
events = ["message.bounced"]
"""
BOX = "shop@163.com"
MAILBOX = f"""
[upstreams.through]
mailbox = "{BOX}"
[mailboxes."{BOX}"]
provider = "netease-163"
"""
OTHER = """
tenant = "acme"
[upstreams.other]
host = "smtp.other.example"
[senders."support@acme.example"]
upstream = "other"
"""
HOUR = timedelta(hours=1)
OWN = Lane("acme", LaneKind.UPSTREAM, "own")
CAPTURED = Lane("acme", LaneKind.CAPTURE, "own")
DESK = Lane("acme", LaneKind.ROUTE, "desk")
EVENTS = Lane("acme", LaneKind.HOOK, "events")


class Tenants:
    """The store's tenant, as files say it."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._seal = Seal.load(directory / "secret.key")

    def apply(
        self,
        table: str,
        secrets: dict[tuple[str, str], str] | None = None,
        *,
        prune: bool = False,
        force: bool = False,
    ) -> None:
        file = read_tenant_file(tomllib.loads(table))
        self._store.write_now(
            tenants.apply_tenant, file, secrets or {}, self._seal, prune=prune, force=force,
            now=NOON,
        )  # fmt: skip

    def pause(self, *paused: Lane, by: str = "sign-in") -> None:
        for lane in paused:
            self._store.write_now(
                lanes.pause_lane, lane, by=by, reason="why", fix=None, now=NOON
            )

    def paused(self) -> list[Lane]:
        found = self._store.read_now(lanes.lane_states)
        return [one.lane for one in found if one.paused_by is not None]


@pytest.fixture
def acme(store: Store, tmp_path: Path) -> Tenants:
    found = Tenants(store, tmp_path)
    found.apply(TENANT)
    return found


def test_another_setting_opens_what_nobody_could_sign_in_to(acme: Tenants) -> None:
    acme.pause(OWN, CAPTURED, DESK)
    acme.apply(TENANT)
    assert acme.paused() == [CAPTURED, DESK, OWN]  # nothing is another than before
    acme.apply(TENANT.replace("HOST", "smtp.acme.example"))
    assert acme.paused() == [DESK]


def test_another_setting_of_a_mailbox_opens_what_sends_by_its_account(acme: Tenants) -> None:
    box, copies = (replace(OWN, kind=kind, name=BOX) for kind in (OWN.kind, LaneKind.SENT))
    through = replace(OWN, name="through")
    acme.apply(TENANT + MAILBOX)
    acme.pause(OWN, box, copies, through)
    acme.apply(TENANT + MAILBOX + "answers = true\n")
    assert acme.paused() == [copies, OWN, box, through]  # its account is the same
    acme.apply(TENANT + MAILBOX + 'username = "shop"\n')
    assert acme.paused() == [OWN]


def test_another_setting_does_not_end_the_pause_of_a_person(acme: Tenants) -> None:
    acme.pause(OWN, by="person")
    acme.apply(TENANT.replace("HOST", "smtp.acme.example"))
    assert acme.paused() == [OWN]


def test_the_pause_of_a_person_ends_by_a_person_alone(store: Store, acme: Tenants) -> None:
    """Whatever a session says that was open then: that it was let in, or that it was not."""
    acme.pause(OWN)
    assert store.write_now(lanes.end_trial, OWN, now=NOON)
    acme.pause(OWN, by="person")
    acme.pause(OWN, by="sign-in")
    assert not store.write_now(lanes.end_trial, OWN, now=NOON)
    [state] = store.read_now(lanes.lane_states)
    assert state.paused_by == "person"


def test_a_way_that_is_removed_is_not_paused_any_more(acme: Tenants) -> None:
    acme.pause(OWN, DESK)
    acme.apply('tenant = "acme"', prune=True)
    assert acme.paused() == []


@pytest.mark.parametrize(("kind", "lane"), [("upstream", OWN), ("route", DESK)])
def test_a_new_password_opens_its_way_alone(acme: Tenants, kind: str, lane: Lane) -> None:
    acme.pause(OWN, DESK)
    acme.apply(TENANT, {(kind, lane.name): "new"})
    assert acme.paused() == [one for one in (DESK, OWN) if one != lane]


def test_a_hook_that_events_wait_for_is_removed_by_force_alone(
    store: Store, acme: Tenants
) -> None:
    acme.apply(TENANT + HOOK)
    id_ = store.write_now(queue.accept, outgoing(lane=EVENTS), now=NOON - HOUR)
    with pytest.raises(Conflict, match="1 delivery still waits for the hook events"):
        acme.apply(TENANT, prune=True)
    acme.apply(TENANT, prune=True, force=True)
    assert store.read_now(lanes.due_lanes, now=NOON) == []
    acme.apply(TENANT + HOOK)
    store.write_now(people.release, id_, now=NOON + 9 * HOUR)
    (batch,) = store.write_now(
        queue.claim, EVENTS, owner="node", now=NOON + 9 * HOUR, lease=HOUR, messages=9,
        recipients=9,
    )  # fmt: skip
    assert batch.deliveries[0].sendable_seconds == pytest.approx(3600)  # before it was held


def test_what_was_held_before_its_upstream_is_removed_waits_for_another_one(
    store: Store, acme: Tenants
) -> None:
    id_ = store.write_now(queue.accept, outgoing(lane=OWN, hold="look"), now=NOON)
    acme.apply('tenant = "acme"', prune=True)
    store.write_now(people.release, id_, now=NOON)
    (entry,) = store.read_now(people.entries)
    assert entry.reason == "its sender has no upstream"
    acme.apply(OTHER)
    (due,) = store.read_now(lanes.due_lanes, now=NOON)
    assert due.lane == Lane("acme", LaneKind.UPSTREAM, "other")
