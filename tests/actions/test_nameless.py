"""A bounce without its mail: tied to the only one that it can be about, or to none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import pytest

from gateway.actions.nameless import is_of_provider, tie
from gateway.actions.reported import Arrival
from gateway.actions.returned import read_returned
from gateway.actions.undelivered import take_undelivered
from gateway.mail.address import parse_address
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.inbound import Authenticity, Fetched
from gateway.store import inbox, queue, suppressions
from gateway.store.sqlite import Db, Store
from tests.actions.occasions import ACME, NOON, SHOP, fetched
from tests.actions.reports import netease
from tests.store.values import outgoing

ANN, POSTMASTER = "ann@example.org", "postmaster@acme.example"
OWN = Lane("acme", LaneKind.UPSTREAM, "own")
HOUR = timedelta(hours=1)
FROM_INSIDE = "Received: from qq.com (unknown [127.0.0.1]) by smtp.qq.com with SMTP\r\n"
FROM_OUTSIDE = "Received: from acme.example (unknown [192.0.2.66]) by mx29 (Coremail)\r\n"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def send(store: Store, *recipients: str, lane: Lane = OWN, path: str = SHOP) -> str:
    """Deliver a mail that has an id of its own."""
    mail = outgoing(*recipients, lane=lane)
    envelope = replace(mail.envelope, return_path=parse_address(path))
    mail = replace(mail, envelope=envelope, message_id=f"<{mail.id}@acme.example>")
    store.write_now(queue.accept, mail, now=NOON)
    store.write_now(_deliver)
    return mail.message_id


def _deliver(db: Db) -> None:
    db.execute("UPDATE delivery SET state = 'delivered', finished_at = 1")


def bounce(*recipients: str, top: str = "", sender: str = POSTMASTER) -> Fetched:
    content = top.encode() + netease(None, *recipients, sender=sender)
    return replace(fetched(content), internal_date=NOON + HOUR)


def tied(store: Store, letter: Fetched, *, proven: str = "") -> tuple[str, ...]:
    found = read_returned(letter.content, classify=lambda _: "recipient-dead")
    assert found is not None
    seen = Authenticity(header_from=POSTMASTER, proven=proven)
    return store.read_now(tie, found, letter, seen).ids


def test_it_is_about_the_only_mail_that_left_the_mailbox_for_that_address(
    store: Store,
) -> None:
    mail = send(store, "Ann@example.org")
    send(store, "ben@example.org")
    send(store, ANN, path="info@acme.example")
    send(store, ANN, lane=Lane("acme", LaneKind.ROUTE, "desk"))
    send(store, ANN, lane=Lane("zeta", LaneKind.UPSTREAM, "own"))
    assert tied(store, bounce(ANN)) == (mail,)


def test_of_two_mails_to_that_address_it_is_about_neither(store: Store) -> None:
    send(store, ANN)
    send(store, ANN)
    assert tied(store, bounce(ANN)) == ()


def test_what_left_days_before_or_was_not_delivered_is_not_meant(store: Store) -> None:
    mail, now = send(store, ANN), datetime.now(UTC)
    for days, found in ((4, (mail,)), (6, ())):
        late = replace(bounce(ANN), internal_date=now + timedelta(days=days))
        assert tied(store, late) == found
    store.write_now(queue.accept, outgoing("ben@example.org", lane=OWN), now=NOON)
    assert tied(store, bounce("ben@example.org")) == ()


@pytest.mark.parametrize(
    ("top", "proven", "is_ours"),
    [
        ("", "", True),
        (FROM_INSIDE, "", True),
        ("Received: by ajax-webmail-5 (Coremail) with HTTP\r\n", "", True),
        (FROM_OUTSIDE, "", False),
        (FROM_INSIDE + FROM_OUTSIDE, "", False),
        ("Received: from mx.evil.example by mx29 with SMTP\r\n", "", False),
        (FROM_OUTSIDE, POSTMASTER, True),
    ],
)
def test_only_the_mailboxs_own_provider_is_believed(
    top: str, proven: str, *, is_ours: bool
) -> None:
    seen = Authenticity(header_from=POSTMASTER, proven=proven)
    assert is_of_provider(bounce(ANN, top=top), seen) is is_ours
    elsewhere = replace(seen, header_from="postmaster@evil.example")
    assert not is_of_provider(bounce(ANN, top=top), elsewhere)


def test_it_is_told_with_how_it_was_found_and_suppresses_nobody(store: Store) -> None:
    mail, letter = send(store, ANN), bounce(ANN)
    found = read_returned(letter.content, classify=lambda _: "recipient-dead")
    assert found is not None
    seen = Authenticity(header_from=POSTMASTER)
    found = store.read_now(tie, found, letter, seen)
    store.write_now(inbox.store_fetched, letter, now=NOON)
    arrival = Arrival(fetched=letter, tenant=ACME, now=NOON, find_ours=lambda *_: None)
    (event,) = store.write_now(take_undelivered, found, arrival).told
    told = json.loads(event.content)["data"]
    assert (told["message_id"], told["recipient"], told["class"]) == (
        mail, ANN, "recipient-dead",
    )  # fmt: skip
    assert told["matched_by"] == "recipient"
    assert store.read_now(suppressions.entries, now=NOON) == []


def test_a_received_field_without_end_is_read_in_time() -> None:
    letter = bounce(ANN, top=f"Received: from {'a' * 200_000} ([192.0.2.66]) by mx\r\n")
    started = process_time()
    assert not is_of_provider(letter, Authenticity(header_from=POSTMASTER))
    assert process_time() - started < 5
