"""A seller at Amazon: what a buyer writes, and what may go back."""

from __future__ import annotations

import smtplib
from typing import Any

import pytest

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

pytestmark = pytest.mark.servers

BUYER = "x1y2z3+a7b8@marketplace.amazon.de"


def test_a_buyer_gets_a_persons_answer_and_nothing_that_amazon_forbids(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    write_policy(gateway, RECEIVED)
    gateway.start()
    wait_until_watched(gateway)
    question = (
        f"From: Buyer <{BUYER}>\r\nTo: {BOX}\r\nSubject: 123-1234567-1234567\r\n\r\nHi\r\n"
    )
    dovecot.deliver("support", question.encode())
    wait_until(
        lambda: helpdesk.of_type("message.received"), what=lambda: f"a webhook\n{gateway.log()}"
    )
    id_ = helpdesk.of_type("message.received")[0].payload["data"]["id"]
    wait_until(lambda: suppressions(gateway, id_), what=lambda: f"the reason\n{gateway.log()}")
    assert suppressions(gateway, id_) == [
        "the sender is a buyer at Amazon, who gets no automatic answer"
    ]
    crowd = letter(to=BUYER)
    crowd["Cc"] = "boss@acme.example"
    robot = letter("Track it: https://track.acme.example/1\n", to=BUYER)
    robot["Auto-Submitted"] = "auto-generated"
    packed = letter(to=BUYER)
    packed.add_attachment(b"PK", maintype="application", subtype="zip", filename="all.zip")
    stranger = letter(to=BUYER)
    stranger.replace_header("From", "support+eu@acme.example")
    for message, reason in (
        (crowd, "written to alone"),
        (robot, "a link to track.acme"),
        (packed, "the attachment all.zip"),
        (stranger, "write as <support@acme.example>, not as <support[+]eu@acme.example>"),
    ):
        with pytest.raises(smtplib.SMTPDataError, match=reason):
            submit(gateway, message, security="starttls")
    written = "It is on its way: https://track.acme.example/1\n"
    answer = letter(written, to=BUYER)
    answer["Sender"] = "bounces@acme.example"  # smtplib takes it for the envelope
    submit(gateway, answer, security="starttls")
    wait_until(postfix.delivered, what=lambda: f"the answer\n{gateway.log()}")
    gateway.wait_for_empty_queue()
    (delivered,) = postfix.delivered()
    assert b"Return-Path: <support@acme.example>" in delivered
    (warning,) = (one.payload["data"] for one in helpdesk.of_type("message.warned"))
    assert warning["found"] == ["a link to track.acme.example"]
    (told,) = (one for one in trace(gateway, warning["id"]) if one["event"] == "message.warned")
    assert (told["detail"]["found"], told["fix"]) == (warning["found"], warning["fix"])


def suppressions(gateway: Gateway, id_: str) -> list[str]:
    entries = trace(gateway, id_)
    return [one["detail"]["reason"] for one in entries if one["event"] == "answer.suppressed"]


def trace(gateway: Gateway, id_: str) -> list[dict[str, Any]]:
    return list(gateway.json("log", "trace", id_)["events"])
