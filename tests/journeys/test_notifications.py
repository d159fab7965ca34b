"""OUT, what the sender asked to be told: by the upstream where it can, else by the gateway."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import SMTP
from typing import Any
from urllib.request import urlopen

import pytest

from tests.journeys.test_out import PASSWORD, TENANT, letter
from tests.servers.gateway import Gateway
from tests.servers.need import need
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import SECRET, Helpdesk
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

ROUTE = """
[routes.helpdesk]
type = "webhook"
url = "{url}"
secret_file = "hook"
"""
STATUS_TYPE = "message/delivery-status"
PATIENT = '[delivery]\nretry_waits = ["5h"]\n'  # the first deferral is a delay to be told of


@pytest.fixture
def gateway(zone: Zone) -> Iterator[Gateway]:
    server = Gateway(more=f'[dns]\nnameservers = ["{zone.address}"]\n{PATIENT}', workers=1)
    yield server
    server.close()


@pytest.fixture
def without_dsn() -> Iterator[Postfix]:
    """A provider's submission service that knows nothing of RFC 3461."""
    need("postfix", "saslpasswd2", root=True)
    server = Postfix(without=("dsn",))
    server.add_user("relay", "the-upstream-password")
    server.start()
    yield server
    server.close()


def start(gateway: Gateway, postfix: Postfix, helpdesk: Helpdesk) -> None:
    tenant = TENANT.format(port=postfix.port, ca_file=postfix.ca_file)
    tenant = tenant.replace('tenant = "acme"', 'tenant = "acme"\nroute = "helpdesk"')
    gateway.apply(
        tenant + ROUTE.format(url=helpdesk.url),
        **{
            "upstream-password": "the-upstream-password",
            "submission-password": PASSWORD,
            "hook": SECRET,
        },
    )
    gateway.start()


def send(gateway: Gateway, recipients: dict[str, str]) -> None:
    """Submit a letter to each recipient with what is to be told of it."""
    message = letter()
    message["Message-ID"] = "<reply-7@acme.example>"
    message["References"] = "<question-3@example.net>"
    with smtplib.SMTP("127.0.0.1", gateway.plain) as client:
        client.login("acme.zammad", PASSWORD)
        client.mail("support@acme.example", ["RET=FULL", "ENVID=ticket+2B4711"])
        for address, notify in recipients.items():
            said = client.rcpt(address, [f"NOTIFY={notify}", f"ORCPT=rfc822;Orig+2B{address}"])
            assert said[0] == 250
        assert client.data(message.as_bytes(policy=SMTP))[0] == 250


def notifications(helpdesk: Helpdesk) -> list[Message]:
    """Return the mails that came to the helpdesk, as they were written."""
    found = []
    for one in helpdesk.of_type("message.received"):
        with urlopen(one.payload["data"]["raw_url"]) as response:
            found.append(message_from_bytes(response.read()))
    return found


def fields(notification: Message) -> dict[str, str]:
    """Return the fields about the message and its one recipient."""
    (status,) = [part for part in notification.walk() if part.get_content_type() == STATUS_TYPE]
    return {name: value for block in list(status.walk())[1:] for name, value in block.items()}


def late_ones(helpdesk: Helpdesk) -> list[str]:
    """Return who was told to be late by events."""
    return [one.payload["data"]["recipient"] for one in helpdesk.of_type("message.deferred")]


def late_mail(gateway: Gateway) -> dict[str, Any]:
    """Return what waits of the letter; an event that has just arrived may be listed, too."""
    (waiting,) = gateway.json("queue", "list", "--state", "deferred")
    return dict(waiting)


def tries(gateway: Gateway, id_: str, address: str) -> int:
    waiting = gateway.json("queue", "show", id_)["recipients"]
    return sum(one["attempts"] for one in waiting if one["address"] == address)


def test_an_upstream_without_dsn_leaves_the_three_notifications_to_us(
    gateway: Gateway, without_dsn: Postfix, helpdesk: Helpdesk
) -> None:
    start(gateway, without_dsn, helpdesk)
    asked = "SUCCESS,FAILURE,DELAY"
    silent = {"ben@example.net": "NEVER", "cat@example.net": "FAILURE"}
    wanted = ("ann@example.net", "nobody@example.net", "late@example.net")
    send(gateway, dict.fromkeys(wanted, asked) | silent)
    wait_until(
        lambda: len(helpdesk.of_type("message.received")) == 3,
        what=lambda: f"three notifications, {helpdesk.received}\n{gateway.log()}",
    )
    told = {fields(one)["Final-Recipient"]: one for one in notifications(helpdesk)}
    assert {name: fields(one)["Action"] for name, one in told.items()} == {
        "rfc822; ann@example.net": "relayed",
        "rfc822; nobody@example.net": "failed",
        "rfc822; late@example.net": "delayed",
    }
    for name, one in told.items():
        assert one["In-Reply-To"] == "<reply-7@acme.example>"
        assert "<question-3@example.net>" in one["References"]
        assert fields(one)["Original-Envelope-Id"] == "ticket+4711"
        address = name.removeprefix("rfc822; ")
        assert fields(one)["Original-Recipient"] == f"rfc822;Orig+{address}"
    assert "Will-Retry-Until" in fields(told["rfc822; late@example.net"])
    assert fields(told["rfc822; late@example.net"])["Status"] == "4.2.0"
    wait_until(lambda: late_ones(helpdesk) == ["late@example.net"], what=gateway.log)
    late = late_mail(gateway)["id"]
    gateway.run("queue", "retry", late)
    wait_until(lambda: tries(gateway, late, "late@example.net") == 2, what=gateway.log)
    assert len(gateway.json("log", "search", "mailer-daemon@gateway.example")) == 3


def test_an_upstream_with_dsn_is_handed_what_the_sender_asked(
    gateway: Gateway, postfix: Postfix, helpdesk: Helpdesk
) -> None:
    start(gateway, postfix, helpdesk)
    send(gateway, {"ann@example.net": "SUCCESS,DELAY", "ben@example.net": "NEVER"})
    wait_until(
        lambda: len(postfix.delivered()) == 3,
        what=lambda: f"two mails and Postfix's own word\n{postfix.log()}\n{gateway.log()}",
    )
    (own,) = [one for one in postfix.delivered() if b"report-type=delivery-status" in one]
    assert b"\nOriginal-Envelope-Id: ticket+4711\n" in own
    assert re.search(rb"\nOriginal-Recipient: rfc822; ?Orig\+ann@example.net\n", own)
    assert own.count(b"\nAction: delivered\n") == 1
    assert b"Final-Recipient: rfc822; ann@example.net" in own
    assert b"Final-Recipient: rfc822; ben@example.net" not in own
    gateway.wait_for_empty_queue()
    assert helpdesk.of_type("message.received") == []
