"""Mails that are made to break a reader never stop their mailbox, and none is lost."""

from __future__ import annotations

import pytest

from tests.journeys.customer import Customer
from tests.journeys.test_in import BOX, RECEIVED, apply_tenant, wait_until_watched, write_policy
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import Helpdesk
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

HEAD = b"From: ann@customer.example\r\nTo: support@acme.example\r\nMIME-Version: 1.0\r\n"
PARTS = 500


def nested() -> bytes:
    """Return a mail whose parts lie in each other."""
    begun = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (one, one)
        for one in range(PARTS)
    )
    ended = b"".join(b"\r\n--%d--" % one for one in reversed(range(PARTS)))
    return HEAD + begun + b"Content-Type: text/plain\r\n\r\ndeep\r\n" + ended + b"\r\n"


POISONS = {
    "broken MIME": HEAD + b'Content-Type: multipart/mixed; boundary="x\r\n\r\n--x\r\n--x-\r\n',
    "40 MB": HEAD + b"\r\n" + (b"y" * 998 + b"\r\n") * 40_000,
    "10,000 headers": HEAD + b"X-Many: 1\r\n" * 10_000 + b"\r\nmany\r\n",
    "NUL": HEAD + b"Subject: a\0b\r\n\r\nnul \0 nul\r\n",
    "unknown charset": HEAD
    + b"Content-Type: text/plain; charset=klingon-8\r\n"
    + b"Subject: =?klingon-8?B?/w==?=\r\n\r\n\xff\r\n",
    "no text at all": b"\r\n",
    "an address without end": b"From: " + b"(" * 50_000 + b"a@b\r\n\r\nx\r\n",
    "nested parts": nested(),
}


def test_poison_stops_nothing_and_every_mail_comes_to_an_end(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    write_policy(gateway, RECEIVED)
    gateway.start()
    wait_until_watched(gateway)
    for content in POISONS.values():
        dovecot.deliver("support", content)
    customer = Customer(zone)
    dovecot.deliver("support", customer.write(to=BOX, subject="a good mail"))
    wait_until(
        lambda: any(
            one.payload["data"]["subject"] == "a good mail"
            for one in helpdesk.of_type("message.received")
        ),
        what=lambda: f"the good mail\n{gateway.log()}",
        seconds=90,
    )

    def is_done() -> bool:
        page = gateway.json("status")["books"]["in"]
        return bool(page["fetched"] == len(POISONS) + 1 and not page["waiting"])

    wait_until(is_done, what=lambda: f"every mail\n{gateway.log()}", seconds=120)
    page = gateway.json("status")["books"]["in"]
    assert page["difference"] == 0
    found = gateway.json("mailbox", "ledger", BOX)
    assert (found["server"], found["missing"]) == (len(POISONS) + 1, 0)
    assert gateway.json("mailbox", "list")[0]["state"] == "ok"
