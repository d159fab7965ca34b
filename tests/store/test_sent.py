"""The mail that a report is about: the tenant's own, by an upstream, the newest."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.mail.address import Address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import first_id
from gateway.store import journal, queue
from gateway.store.sent import find_newest, find_sent
from gateway.store.sqlite import Store

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MAIL = "<1@acme.example>"
numbers = itertools.count()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def send(
    store: Store,
    kind: LaneKind,
    *,
    tenant: str = "acme",
    at: datetime = NOON,
    domain: str = "example.org",
) -> str:
    outgoing = Outgoing(
        id=f"{first_id(at)}{next(numbers):08}", tenant=tenant,
        lane=Lane(tenant, kind, "own"), kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=None, recipients=(Recipient(Address("ann", domain)),)
        ),
        content=b"x", message_id=MAIL, header_from="shop@acme.example",
    )  # fmt: skip
    return store.write_now(queue.accept, outgoing, now=at)


def test_the_newest_mail_with_the_id_is_found(store: Store) -> None:
    """A helpdesk that sends one again keeps its Message-ID."""
    second = send(store, LaneKind.UPSTREAM, at=NOON + timedelta(hours=1))
    send(store, LaneKind.UPSTREAM)
    sent = store.read_now(find_sent, tenant="acme", message_id=MAIL)
    assert sent is not None
    assert (sent.id, sent.recipients) == (second, ("ann@example.org",))


def test_what_another_tenant_sent_or_a_route_carried_is_not(store: Store) -> None:
    send(store, LaneKind.UPSTREAM, tenant="other")
    send(store, LaneKind.ROUTE)
    assert store.read_now(find_sent, tenant="acme", message_id=MAIL) is None


def test_the_newest_mails_to_a_domain_are_found(store: Store) -> None:
    hour = timedelta(hours=1)
    old, first, second = (
        send(store, LaneKind.UPSTREAM, at=at, domain="marketplace.amazon.de")
        for at in (NOON - 2 * hour, NOON, NOON + hour)
    )
    send(store, LaneKind.UPSTREAM, at=NOON)
    send(store, LaneKind.UPSTREAM, tenant="other", at=NOON, domain="marketplace.amazon.de")
    found = store.read_now(
        find_newest, tenant="acme", domain="marketplace.amazon.", since=NOON - hour
    )
    assert [one.id for one in found] == [second, first]
    assert old not in [one.id for one in found]
    assert found[0].content == b"x"


def test_nothing_looks_at_every_message(store: Store) -> None:
    """An index with a condition serves a query that has the same condition only."""
    asked: list[str] = []

    def look(db: sqlite3.Connection) -> list[str]:
        db.set_trace_callback(asked.append)
        find_sent(db, tenant="acme", message_id=MAIL)
        find_newest(db, tenant="acme", domain="x.", since=NOON)
        journal.find_message(db, "1@acme.example")
        db.set_trace_callback(None)
        plans = [db.execute(f"EXPLAIN QUERY PLAN {one}").fetchall() for one in asked]
        return [str(row[3]) for plan in plans for row in plan]

    steps = store.read_now(look)
    assert len(asked) >= 7
    assert [one for one in steps if one.startswith("SCAN")] == []
