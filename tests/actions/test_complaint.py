"""A complaint that is taken in: once, and only about a mail that the tenant sent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.actions.complaint import take_complaint
from gateway.actions.feedback import read_complaint
from gateway.actions.reported import Arrival
from gateway.mail.address import parse_address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.store import inbox, journal, queue, suppressions
from gateway.store.sqlite import Store
from tests.actions.occasions import ACME, NOON, fetched
from tests.actions.reports import arf

SENT, MAIL = "01ARZ3NDEKTSV4SENT", "<1@acme.example>"
REPORT = "01ARZ3NDEKTSV4RRFF"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def send(store: Store, *recipients: str, tenant: str = "acme", message_id: str = MAIL) -> None:
    outgoing = Outgoing(
        id=SENT, tenant=tenant, lane=Lane(tenant, LaneKind.UPSTREAM, "own"),
        kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=None, recipients=tuple(Recipient(parse_address(o)) for o in recipients)
        ),
        content=b"x", message_id=message_id, header_from="shop@acme.example",
    )  # fmt: skip
    store.write_now(queue.accept, outgoing, now=NOON)


def complain(store: Store, content: bytes, *, ours: str | None = None) -> list[object]:
    """Take a report in as `perform` does; return the `data` of the events queued."""
    complaint, one = read_complaint(content), fetched(content)
    assert complaint is not None
    store.write_now(inbox.store_fetched, one, now=NOON)
    arrival = Arrival(fetched=one, tenant=ACME, now=NOON, find_ours=lambda *_: ours)
    taken = store.write_now(take_complaint, complaint, arrival)
    assert all(queued(store, one.id) for one in taken.told)
    return [json.loads(one.content)["data"] for one in taken.told]


def queued(store: Store, id_: str) -> bytes | None:
    def look(db: sqlite3.Connection) -> bytes | None:
        return queue.content_of(db, id_)

    return store.read_now(look)


def suppressed(store: Store) -> list[Suppression]:
    return store.read_now(suppressions.entries, now=NOON)


def events(store: Store, id_: str) -> list[str]:
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    return [one.event for one in timeline.entries if one.message == id_]


def test_who_complained_is_suppressed_and_the_tenant_told(store: Store) -> None:
    send(store, "Ann@example.org", "ben@example.org")
    (data,) = complain(store, arf(MAIL, recipient="ann@example.org"))
    assert data == {
        "id": SENT, "tenant": "acme", "message_id": MAIL, "conversation": None,
        "conversation_ref": None,
        "recipient": "Ann@example.org", "feedback_type": "abuse", "reporter": "Loop/1.0",
        "mailbox": "shop@acme.example", "report": REPORT,
    }  # fmt: skip
    (entry,) = suppressed(store)
    assert (entry.address, entry.reason) == ("ann@example.org", SuppressionReason.COMPLAINT)
    assert entry.evidence == f"abuse reported by Loop/1.0 in {REPORT} (message {SENT})"
    assert entry.expires_on is None
    assert events(store, SENT) == ["message.accepted", "message.complained"]
    assert events(store, REPORT)[-1] == "complaint.taken"


@pytest.mark.parametrize("recipient", ["", "somebody@else.example"])
def test_of_a_mail_to_one_person_that_person_complained(store: Store, recipient: str) -> None:
    send(store, "ann@example.org")
    complain(store, arf(MAIL, recipient=recipient))
    assert [one.address for one in suppressed(store)] == ["ann@example.org"]


def test_of_a_redacted_report_about_several_nobody_is_suppressed(store: Store) -> None:
    send(store, "ann@example.org", "ben@example.org")
    (data,) = complain(store, arf(MAIL))
    assert isinstance(data, dict)
    assert data["recipient"] is None
    assert suppressed(store) == []
    assert events(store, SENT)[-1] == "message.complained"


def test_a_mail_is_found_by_the_id_that_its_upstream_gave_it(store: Store) -> None:
    send(store, "ann@example.org")
    complain(store, arf("<0100@email.example>"), ours=MAIL)
    assert [one.address for one in suppressed(store)] == ["ann@example.org"]


@pytest.mark.parametrize(
    ("tenant", "message_id"), [("other", MAIL), ("acme", "<2@acme.example>")]
)
def test_a_complaint_about_a_strangers_mail_stops_nobody(
    store: Store, tenant: str, message_id: str
) -> None:
    send(store, "ann@example.org", tenant=tenant, message_id=message_id)
    assert complain(store, arf(MAIL, recipient="ann@example.org")) == []
    assert suppressed(store) == []
    assert events(store, REPORT)[-1] == "complaint.unmatched"


def test_a_mail_that_came_in_is_not_one_that_was_sent(store: Store) -> None:
    """A customer's own mail, forwarded to the helpdesk, has the customer's Message-ID."""
    forwarded = Outgoing(
        id=SENT, tenant="acme", lane=Lane("acme", LaneKind.ROUTE, "desk"), kind=Kind.FORWARD,
        envelope=Envelope(
            return_path=None, recipients=(Recipient(parse_address("in@desk.example")),)
        ),
        content=b"x", message_id=MAIL, header_from="ann@example.org",
    )  # fmt: skip
    store.write_now(queue.accept, forwarded, now=NOON)
    assert complain(store, arf(MAIL)) == []
    assert suppressed(store) == []


def test_what_a_person_suppressed_for_good_stays_so(store: Store) -> None:
    send(store, "ann@example.org")
    complain(store, arf(MAIL))
    (entry,) = suppressed(store)
    later = replace(entry, reason=SuppressionReason.RECIPIENT_DEAD, expires_on=NOON.date())
    store.write_now(suppressions.suppress, later, now=NOON)
    assert suppressed(store) == [entry]
