"""Amazon's notices that a mail to a buyer was not passed on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.actions.marketplace_notice import read_notice, take_notice
from gateway.actions.reported import Arrival, Taken
from gateway.mail.address import Address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import first_id
from gateway.mail.inbound import Authenticity
from gateway.providers.catalogue import load_catalogue
from gateway.store import inbox, journal, queue
from gateway.store.sqlite import Store
from tests.actions.occasions import ACME, NOON, fetched, mail

CATALOGUE = load_catalogue()
AMAZON = Authenticity(header_from="no-reply@amazon.de", proven="no-reply@amazon.de")
OPTED_OUT = "About 'Your order': The buyer opted out from\r\nreceiving this message."


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def send(store: Store, subject: str = "Re: Your order", *, days_ago: int = 0) -> str:
    at = NOON - timedelta(days=days_ago)
    outgoing = Outgoing(
        id=f"{first_id(at)}00000000", tenant="acme",
        lane=Lane("acme", LaneKind.UPSTREAM, "own"), kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=None,
            recipients=(Recipient(Address("x1y2z3", "marketplace.amazon.de")),),
        ),
        content=f"Subject: {subject}\r\n\r\nOn its way.\r\n".encode(),
        message_id="<1@acme.example>", header_from="shop@acme.example",
    )  # fmt: skip
    return store.write_now(queue.accept, outgoing, now=at)


def take(store: Store, text: str = OPTED_OUT) -> Taken:
    one = fetched(mail(text))
    notice = read_notice(one.content, AMAZON, CATALOGUE)
    assert notice is not None
    store.write_now(inbox.store_fetched, one, now=NOON)
    arrival = Arrival(fetched=one, tenant=ACME, now=NOON, find_ours=lambda *_: None)
    return store.write_now(take_notice, notice, arrival)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (OPTED_OUT, "recipient-suppressed"),
        ("You are not authorized to write.", "sender-not-authorised-amazon"),
        ("It did not meet the Buyer-Seller Messaging communication guidelines.",
         "content-refused"),
        ("Your account was restricted from sending proactive messages.", "sending-blocked"),
    ],
)  # fmt: skip
def test_a_notice_has_a_cause_and_a_fix(text: str, cause: str) -> None:
    notice = read_notice(mail(text), AMAZON, CATALOGUE)
    assert notice is not None
    assert notice.diagnosis.cause == cause
    assert notice.diagnosis.fix


@pytest.mark.parametrize(
    "proven", ["", "no-reply@amazon.de.evil.example", "x1@marketplace.amazon.de"]
)
def test_what_is_not_proven_to_be_amazons_own_is_no_notice(proven: str) -> None:
    assert read_notice(mail(OPTED_OUT), replace(AMAZON, proven=proven), CATALOGUE) is None


def test_another_mail_of_amazon_is_no_notice() -> None:
    assert read_notice(mail("Your payment is on its way."), AMAZON, CATALOGUE) is None


def test_a_notice_is_told_of_the_mail_that_it_names(store: Store) -> None:
    sent = send(store)
    (event,) = take(store).told
    told = json.loads(event.content)
    assert told["type"] == "message.bounced"
    assert told["data"]["id"] == sent
    assert told["data"]["recipient"] == "x1y2z3@marketplace.amazon.de"
    assert told["data"]["class"] == "policy"
    assert "reply to that message" in told["data"]["fix"]
    timeline = store.read_now(journal.timeline, sent)
    assert timeline is not None
    (bounced,) = [one for one in timeline.entries if one.event == "message.bounced"]
    assert bounced.detail["cause"] == "recipient-suppressed"


@pytest.mark.parametrize(("subject", "days_ago"), [("Re: Your refund", 0), ("Your order", 8),
                                                   ("Re:", 0)])  # fmt: skip
def test_a_notice_that_names_none_of_the_newest_mails_is_a_mail_like_others(
    store: Store, subject: str, days_ago: int
) -> None:
    send(store, subject, days_ago=days_ago)
    assert take(store) == Taken()
