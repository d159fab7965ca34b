"""What lies in a mailbox about mail that was sent: complaints, and bounces that come later."""

from __future__ import annotations

import smtplib
from email import message_from_bytes
from email.message import Message

import pytest

from tests.actions.reports import arf, dsn, failed, netease, qmail
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
NEWS, BOB = "<news-1@acme.example>", "bob@customer.example"
NOTE, DAN = "<note-1@acme.example>", "dan@customer.example"
HINT, FAY = "<hint-1@acme.example>", "fay@customer.example"  # its bounce does not name it


def test_complaints_and_later_bounces_are_told_and_a_broken_report_stops_nothing(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    write_policy(gateway, RECEIVED)
    gateway.start()
    wait_until_watched(gateway)
    for id_, to in ((OFFER, EVE), (NEWS, BOB), (NOTE, DAN), (HINT, FAY)):
        message = letter(to=to)
        message["Message-ID"] = id_
        submit(gateway, message, security="starttls")
    wait_until(
        lambda: len(postfix.delivered()) == 4, what=lambda: f"the mails\n{gateway.log()}"
    )
    redacted, broken = arf(OFFER), arf(OFFER)[:450]
    stranger = arf("<another@acme.example>", recipient="eve@b.example")
    nameless = netease(None, FAY, sender="postmaster@acme.example")
    bounces = dsn(NEWS, failed(BOB)), qmail(NOTE, DAN), nameless
    for content in (broken, redacted, stranger, *bounces):
        dovecot.deliver("support", content)
    dovecot.deliver("support", Customer(zone).write(to=BOX, subject="after them"))
    wait_until(
        lambda: len(helpdesk.of_type("message.received")) == 7,
        what=lambda: f"all seven mails\n{gateway.log()}",
    )
    gateway.wait_for_empty_queue()
    (event,) = helpdesk.of_type("message.complained")
    data = event.payload["data"]
    assert (data["message_id"], data["recipient"]) == (OFFER, EVE)
    told = {
        one.payload["data"]["message_id"]: one.payload["data"]
        for one in helpdesk.of_type("message.bounced")
    }
    for id_, recipient in ((NEWS, BOB), (NOTE, DAN), (HINT, FAY)):
        assert (told[id_]["recipient"], told[id_]["class"]) == (recipient, "recipient-dead")
        assert told[id_]["text"].startswith("5.1.1 ")
        assert threads_of(helpdesk)[id_] == told[id_]["conversation"]
    entries = {one["address"]: one for one in gateway.json("suppression", "list")}
    assert {key: one["reason"] for key, one in entries.items()} == {
        EVE: "complaint",
        BOB: "recipient-dead",
        DAN: "recipient-dead",
    }
    assert data["report"] in entries[EVE]["evidence"]
    assert "message.complained" in events_of(gateway, OFFER)
    assert {"complaint.taken", "answer.suppressed"} <= events_of(gateway, data["report"])
    assert [one["To"] for one in answers(postfix)] == [Customer.address]
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="This address complained"):
        submit(gateway, letter(to=EVE.upper()), security="starttls")


def threads_of(helpdesk: Helpdesk) -> dict[str, str]:
    """Return the conversation of each mail that names another one, by that one's id."""
    mails = [one.payload["data"] for one in helpdesk.of_type("message.received")]
    return {one["in_reply_to"]: one["conversation"] for one in mails if one["in_reply_to"]}


def answers(postfix: Postfix) -> list[Message]:
    """Return what left by itself."""
    mails = [message_from_bytes(one) for one in postfix.delivered()]
    return [one for one in mails if one["Auto-Submitted"]]


def events_of(gateway: Gateway, name: str) -> set[str]:
    return {one["event"] for one in gateway.json("log", "trace", name)["events"]}
