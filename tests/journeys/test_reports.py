"""Feedback loops: a recipient marks a mail as unwanted, and the report lies in the mailbox."""

from __future__ import annotations

import smtplib
from email import message_from_bytes
from email.message import Message

import pytest

from tests.actions.reports import arf
from tests.journeys.customer import Customer
from tests.journeys.test_in import (
    BOX,
    RECEIVED,
    apply_tenant,
    wait_until_watched,
    write_policy,
)
from tests.journeys.test_out import letter, submit
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import Helpdesk
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

OFFER, EVE = "<offer-1@acme.example>", "eve@customer.example"


def test_a_complaint_suppresses_who_made_it_and_a_broken_one_stops_nothing(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    write_policy(gateway, RECEIVED)
    gateway.start()
    wait_until_watched(gateway)
    message = letter(to=EVE)
    message["Message-ID"] = OFFER
    submit(gateway, message, security="starttls")
    wait_until(postfix.delivered, what=lambda: f"the mail\n{gateway.log()}")
    redacted, broken = arf(OFFER), arf(OFFER)[:450]
    for content in (broken, redacted, arf("<another@acme.example>", recipient="eve@b.example")):
        dovecot.deliver("support", content)
    dovecot.deliver("support", Customer(zone).write(to=BOX, subject="after them"))
    wait_until(
        lambda: len(helpdesk.of_type("message.received")) == 4,
        what=lambda: f"all four mails\n{gateway.log()}",
    )
    gateway.wait_for_empty_queue()
    (event,) = helpdesk.of_type("message.complained")
    data = event.payload["data"]
    assert (data["message_id"], data["recipient"]) == (OFFER, EVE)
    (entry,) = gateway.json("suppression", "list")
    assert (entry["address"], entry["reason"]) == (EVE, "complaint")
    assert data["report"] in entry["evidence"]
    assert "message.complained" in events_of(gateway, OFFER)
    assert {"complaint.taken", "answer.suppressed"} <= events_of(gateway, data["report"])
    assert [one["To"] for one in answers(postfix)] == [Customer.address]
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="This address complained"):
        submit(gateway, letter(to=EVE.upper()), security="starttls")


def answers(postfix: Postfix) -> list[Message]:
    """Return what left by itself."""
    mails = [message_from_bytes(one) for one in postfix.delivered()]
    return [one for one in mails if one["Auto-Submitted"]]


def events_of(gateway: Gateway, name: str) -> set[str]:
    return {one["event"] for one in gateway.json("log", "trace", name)["events"]}
