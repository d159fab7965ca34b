"""500 mails fetched, 10 SIGKILLs: none lost, none routed or answered twice.

`CRASH_IN=5000/50` in the environment makes it 5,000 mails and 50 kills, by hand.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import pytest

from tests.journeys.customer import DOMAIN, Customer
from tests.journeys.test_in import BOX, RECEIVED, apply_tenant, write_policy
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import Helpdesk
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

MAILS, KILLS = map(int, os.environ.get("CRASH_IN", "500/10").split("/"))
PATIENCE_SECONDS = 60 + MAILS / 4
CEILINGS = f"[answers]\nper_mailbox_per_hour = {2 * MAILS}\n"


@pytest.fixture
def gateway(zone: Zone) -> Iterator[Gateway]:
    server = Gateway(more=f'[dns]\nnameservers = ["{zone.address}"]\n{CEILINGS}', workers=1)
    yield server
    server.close()


def test_every_mail_is_routed_and_answered_once(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    """A webhook may be repeated with its id, an answer with its Message-ID, nothing else."""
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    write_policy(gateway, RECEIVED)
    gateway.start()
    wait_until(lambda: "mailbox.connected" in gateway.log(), what=gateway.log)
    customer, chance = Customer(zone), random.Random(20261124)
    for number in range(MAILS):
        sender = f"c{number}@{DOMAIN}"
        dovecot.deliver("support", customer.write(to=BOX, sender=sender))
    for kill in range(KILLS):
        share = (kill + chance.random()) / KILLS * MAILS * 0.8
        wait_until(
            lambda share=share: len(helpdesk.of_type("message.received")) >= share,  # type: ignore[misc]
            what=lambda: f"webhooks, {len(helpdesk.received)} came\n{gateway.log()}",
            seconds=PATIENCE_SECONDS,
        )
        gateway.kill()
        gateway.start()
    wait_until(
        lambda: gateway.figure("books_total", page="in", entry="routed") == MAILS,
        what=lambda: f"{MAILS} routed: {gateway.json('status')['books']}\n{gateway.log()}",
        seconds=PATIENCE_SECONDS,
    )
    gateway.wait_for_empty_queue(seconds=PATIENCE_SECONDS)
    assert_each_sender_once(helpdesk, postfix)
    page = gateway.json("mailbox", "ledger", BOX)
    assert (page["server"], page["known"], page["missing"]) == (MAILS, MAILS, 0)
    books = gateway.json("status")["books"]
    assert books["in"]["fetched"] == MAILS
    assert all(page["difference"] == 0 for page in books.values())


def assert_each_sender_once(helpdesk: Helpdesk, postfix: Postfix) -> None:
    wanted = {f"c{number}@{DOMAIN}" for number in range(MAILS)}
    routed = {
        (one.payload["data"]["from"]["address"], one.id)
        for one in helpdesk.of_type("message.received")
    }
    answers = {
        (str(mail["To"]), str(mail["Message-ID"]))
        for mail in (message_from_bytes(one, policy=default) for one in postfix.delivered())
    }
    for found in (routed, answers):
        assert {sender for sender, _ in found} == wanted
        assert len(found) == MAILS
