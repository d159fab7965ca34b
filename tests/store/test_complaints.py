"""The mail that a complaint is about: the tenant's own, by an upstream, the newest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.mail.address import Address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.store import complaints, queue
from gateway.store.sqlite import Store

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MAIL = "<1@acme.example>"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def send(store: Store, kind: LaneKind, *, tenant: str = "acme", at: datetime = NOON) -> str:
    outgoing = Outgoing(
        id=new_id(), tenant=tenant, lane=Lane(tenant, kind, "own"), kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=None, recipients=(Recipient(Address("ann", "example.org")),)
        ),
        content=b"x", message_id=MAIL, header_from="shop@acme.example",
    )  # fmt: skip
    return store.write_now(queue.accept, outgoing, now=at)


def test_the_newest_mail_with_the_id_is_found(store: Store) -> None:
    """A helpdesk that sends one again keeps its Message-ID."""
    second = send(store, LaneKind.UPSTREAM, at=NOON + timedelta(hours=1))
    send(store, LaneKind.UPSTREAM)
    sent = store.read_now(complaints.find_sent, tenant="acme", message_id=MAIL)
    assert sent is not None
    assert (sent.id, sent.recipients) == (second, ("ann@example.org",))


def test_what_another_tenant_sent_or_a_route_carried_is_not(store: Store) -> None:
    send(store, LaneKind.UPSTREAM, tenant="other")
    send(store, LaneKind.ROUTE)
    assert store.read_now(complaints.find_sent, tenant="acme", message_id=MAIL) is None
