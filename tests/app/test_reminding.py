from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app.directory import Directory
from gateway.app.foundation import Foundation
from gateway.app.reminding import Reminders, look_every_seconds
from gateway.config import Settings
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant_file import read_tenant_file
from gateway.mail.trouble import Alert, Reminder
from gateway.providers.catalogue import load_catalogue
from gateway.store import lanes, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store
from gateway.web.renewal import RenewalLinks

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BOX, OTHER = "shop@163.com", "returns@163.com"
TENANT = """
tenant = "acme"
owner = "it@acme.example"
[upstreams.leaning]
mailbox = "shop@163.com"
[mailboxes."shop@163.com"]
provider = "netease-163"
issued = 2026-11-24
"""
SECOND = """
[mailboxes."returns@163.com"]
provider = "netease-163"
issued = 2026-11-24
"""

Look = Callable[[datetime], list[Reminder]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


@pytest.fixture
def look(store: Store, tmp_path: Path) -> Look:
    """Looks at a moment, and returns what was told since the last look."""
    seal = Seal.load(tmp_path / "secret.key")
    file = read_tenant_file(tomllib.loads(TENANT))
    secrets = {("mailbox", BOX): "code"}
    store.write_now(tenants.apply_tenant, file, secrets, seal, now=NOON)
    directory = Directory(store, seal)
    base = Foundation(
        settings=Settings(path=tmp_path / "gateway.conf"),
        store=store,
        seal=seal,
        directory=directory,
        catalogue=load_catalogue(),
    )
    links = RenewalLinks(
        public_url="https://gateway.example", mark=seal.mark, clock=lambda: 0.0
    )
    told: list[Reminder] = []

    def write_mails(reminder: Reminder, _now: datetime) -> list[Alert]:
        told.append(reminder)
        return []

    reminders = Reminders(base, links, write_mails=write_mails)

    def looked(now: datetime) -> list[Reminder]:
        told.clear()
        directory.expect_change()
        asyncio.run(directory.look())
        asyncio.run(reminders.look(now=now))
        return list(told)

    return looked


def refuse(db: Db, lane: Lane) -> None:
    """Let the sign-in of a lane be refused at noon."""
    lanes.pause_lane(db, lane, by="sign-in", reason="535 no", fix="Make a code.", now=NOON)


@pytest.mark.parametrize(("dead_after", "pause"), [(600, 15), (15, 15), (4, 4), (0, 1)])
def test_a_code_that_may_be_found_dead_sooner_is_looked_at_sooner(
    dead_after: int, pause: int
) -> None:
    assert look_every_seconds(timedelta(seconds=dead_after)) == pause


@pytest.mark.parametrize("name", [BOX, "leaning"])
def test_a_sign_in_that_smtp_refuses_is_told_once_until_it_heals(
    store: Store, look: Look, name: str
) -> None:
    lane = Lane("acme", LaneKind.UPSTREAM, name)
    store.write_now(refuse, lane)
    assert look(NOON + 9 * MINUTE) == []
    (reminder,) = look(NOON + 10 * MINUTE)
    assert (reminder.about, reminder.kind, reminder.owner) == (BOX, "dead", "it@acme.example")
    assert "535 no" in reminder.reason
    assert reminder.link.startswith("https://gateway.example/renew/acme/shop%40163.com?")
    assert look(NOON + 11 * MINUTE) == []
    store.write_now(lanes.resume_lane, lane, now=NOON)
    assert look(NOON + 12 * MINUTE) == []
    store.write_now(refuse, lane)
    assert len(look(NOON + 20 * MINUTE)) == 1


def test_a_pause_by_a_person_or_a_quota_reminds_nobody(store: Store, look: Look) -> None:
    lane = Lane("acme", LaneKind.UPSTREAM, BOX)
    for by in ("person", "quota"):
        store.write_now(lanes.pause_lane, lane, by=by, reason="x", fix=None, now=NOON)
        assert look(NOON + 60 * MINUTE) == []


def test_the_calendar_is_told_ahead_and_when_it_is_over(look: Look) -> None:
    """The authorization codes of that provider live for 180 days."""
    days = [149, 150, 151, 170, 178, 181, 200]
    told = [[one.kind for one in look(NOON + timedelta(days=day))] for day in days]
    ends = "2027-05-23"
    assert told == [
        [],
        [f"30 days before {ends}"],
        [],
        [f"10 days before {ends}"],
        [f"2 days before {ends}"],
        [f"expired {ends}"],
        [],
    ]


def test_two_codes_that_end_on_one_day_are_told_of_each(
    store: Store, look: Look, tmp_path: Path
) -> None:
    file = read_tenant_file(tomllib.loads(TENANT + SECOND))
    seal = Seal.load(tmp_path / "secret.key")
    store.write_now(tenants.apply_tenant, file, {("mailbox", OTHER): "code"}, seal, now=NOON)
    told = look(NOON + timedelta(days=170))
    assert sorted(one.about for one in told) == [OTHER, BOX]
    assert len({one.link for one in told}) == 2
    assert look(NOON + timedelta(days=171)) == []
