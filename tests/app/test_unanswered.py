"""Mail of Amazon's buyers: warned of after 12 and 20 hours, until a person answers."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.app.directory import Directory
from gateway.app.foundation import Foundation
from gateway.app.submissions import Judged, keep
from gateway.app.unanswered import Clocks
from gateway.config import Settings
from gateway.mail.address import Address, parse_address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.inbound import Fetched
from gateway.mail.tenant_file import read_tenant_file
from gateway.mail.trouble import Alert, Reminder
from gateway.providers.catalogue import load_catalogue
from gateway.store import inbox, journal, tenants, unanswered
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
BUYER = "x1y2z3+A7B8@marketplace.amazon.de"
TENANT = """
tenant = "acme"
owner = "it@acme.example"
[mailboxes."shop@qq.com"]
provider = "qq"
[hooks.events]
url = "https://desk.acme.example/events"
secret_file = "secret"
events = ["message.unanswered"]
"""
FIRST = Fetched(
    id="01ARZ3NDEKTSV4RR01", tenant="acme", mailbox="shop@qq.com", folder="INBOX",
    uidvalidity=1, uid=1, internal_date=NOON,
    content=f"From: {BUYER}\r\nMessage-ID: <1@amazon.de>\r\n\r\nHello\r\n".encode(),
)  # fmt: skip

Look = Callable[[int], list[str]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


@pytest.fixture
def look(store: Store, tmp_path: Path) -> Look:
    """Looks so many hours after noon; returns the reasons told. A gateway of its own each."""
    seal = Seal.load(tmp_path / "secret.key")
    file = read_tenant_file(tomllib.loads(TENANT))
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)

    def looked(hours: int) -> list[str]:
        directory = Directory(store, seal)
        asyncio.run(directory.look())
        base = Foundation(
            settings=Settings(path=tmp_path / "gateway.conf"),
            store=store,
            seal=seal,
            directory=directory,
            catalogue=load_catalogue(),
        )
        told: list[str] = []

        def write_mails(reminder: Reminder, _: datetime) -> list[Alert]:
            assert (reminder.about, reminder.owner) == ("shop@qq.com", "it@acme.example")
            told.append(reminder.reason)
            return []

        clocks = Clocks(base, write_mails=write_mails)
        asyncio.run(clocks.look(now=NOON + timedelta(hours=hours)))
        return told

    return looked


def arrive(store: Store, mail: Fetched = FIRST) -> None:
    def work(db: Db) -> None:
        inbox.store_fetched(db, mail, now=mail.internal_date)
        unanswered.begin(db, mail, parse_address(BUYER), since=mail.internal_date)

    store.write_now(work)


def answer(store: Store, to: str = BUYER, *, head: str = "") -> None:
    """The helpdesk writes to the buyer."""
    outgoing = Outgoing(
        id=new_id(), tenant="acme", lane=Lane("acme", LaneKind.NONE, ""), kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=Address("shop", "qq.com"), recipients=(Recipient(parse_address(to)),)
        ),
        content=f"From: shop@qq.com\r\nTo: {to}\r\n{head}\r\nHello\r\n".encode(),
        message_id="<2@qq.com>", header_from="shop@qq.com",
    )  # fmt: skip
    refusal = store.write_now(
        keep, Judged(outgoing=outgoing), per_hour=None, mark=str, now=NOON
    )
    assert refusal is None


def events(store: Store) -> list[dict[str, Any]]:
    def look(db: sqlite3.Connection) -> list[dict[str, Any]]:
        query = (
            "SELECT c.bytes FROM message m JOIN content c ON c.message = m.id"
            " WHERE m.kind = 'event' ORDER BY m.id"
        )
        return [json.loads(row[0]) for row in db.execute(query)]

    return store.read_now(look)


def test_it_is_told_after_12_and_20_hours_and_a_restart_repeats_nothing(
    store: Store, look: Look
) -> None:
    arrive(store)
    told = {hours: look(hours) for hours in (0, 11, 12, 13, 19, 20, 21, 30)}
    assert {hours: len(reasons) for hours, reasons in told.items() if reasons} == {12: 1, 20: 1}
    assert told[20] == ["A buyer's mail to shop@qq.com waits for an answer for 20 hours."]
    first, second = events(store)
    assert (first["type"], first["data"]["hours"]) == ("message.unanswered", 12)
    assert second["data"]["answer_by"] == "2026-11-25T12:00:00Z"
    assert second["data"]["from"] == BUYER
    timeline = store.read_now(journal.timeline, FIRST.id)
    assert timeline is not None
    assert [one.event for one in timeline.entries].count("message.unanswered") == 2


def test_a_gateway_that_was_down_at_both_hours_tells_the_later_one(
    store: Store, look: Look
) -> None:
    arrive(store)
    assert [len(look(hours)) for hours in (40, 41)] == [1, 0]


@pytest.mark.parametrize("alias", [BUYER, "X1Y2Z3@marketplace.amazon.de"])
def test_a_persons_answer_ends_it_for_all_mails_of_the_buyer(
    store: Store, look: Look, alias: str
) -> None:
    arrive(store)
    arrive(store, replace(FIRST, id="01ARZ3NDEKTSV4RR02", uid=2))
    answer(store, alias)
    assert look(12) == []


@pytest.mark.parametrize(
    ("to", "head"),
    [
        (BUYER, "Auto-Submitted: auto-replied\r\n"),
        ("another@marketplace.amazon.de", ""),
        ("ann@example.org", ""),
    ],
)
def test_an_automatic_answer_or_one_to_somebody_else_does_not(
    store: Store, look: Look, to: str, head: str
) -> None:
    arrive(store)
    answer(store, to, head=head)
    assert len(look(12)) == 1


def test_of_a_mailbox_that_is_gone_nobody_is_warned(store: Store, look: Look) -> None:
    arrive(store, replace(FIRST, mailbox="old@qq.com"))
    assert look(12) == []
    assert store.read_now(unanswered.due, now=NOON + timedelta(hours=12)) == []
