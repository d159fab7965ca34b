"""A route by SMTP: the helpdesk's own mail server takes what customers write."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest

from tests.journeys.customer import Customer
from tests.journeys.test_in import BOX, wait_until_watched
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

TENANT = """
tenant = "acme"
route = "desk"
[domains."acme.example"]
[mailboxes."support@acme.example"]
host = "localhost"
port = {imap}
security = "tls"
username = "support"
password_file = "mailbox-password"
ca_file = "{imap_ca}"
[routes.desk]
type = "smtp"
host = "localhost"
port = {smtp}
security = "starttls"
username = "relay"
password_file = "desk-password"
to = "inbound@desk.example"
ca_file = "{smtp_ca}"
"""


def test_a_route_by_smtp_never_has_the_customer_as_envelope_sender(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, zone: Zone
) -> None:
    dovecot.add_user("support", "the-mailbox-password")
    ports = {"imap": dovecot.imaps_port, "smtp": postfix.port}
    files = {"imap_ca": dovecot.ca_file, "smtp_ca": postfix.ca_file}
    gateway.apply(
        TENANT.format(**ports, **files),
        **{
            "mailbox-password": "the-mailbox-password",
            "desk-password": "the-upstream-password",
        },
    )
    gateway.start()
    wait_until_watched(gateway)
    written = Customer(zone).write(to=BOX)
    dovecot.deliver("support", written)
    wait_until(postfix.delivered, what=lambda: f"the mail\n{gateway.log()}\n{postfix.log()}")
    (arrived,) = (message_from_bytes(one, policy=default) for one in postfix.delivered())
    assert arrived["Delivered-To"] == "inbound@desk.example"
    assert arrived["From"] == f"Ann <{Customer.address}>"
    assert arrived["Return-Path"].startswith("<support+")
    assert arrived["Return-Path"].endswith("@acme.example>")
    assert arrived["X-Gateway-Mailbox"] == BOX
    assert written.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n") in postfix.delivered()[0]
    gateway.wait_for_empty_queue()
    books = gateway.json("status")["books"]
    assert (books["in"]["routed"], books["route"]["delivered"]) == (1, 1)


INTO_DOVECOT = """
tenant = "acme"
route = "desk"
[mailboxes."support@acme.example"]
host = "localhost"
port = {imap}
security = "tls"
username = "support"
password_file = "mailbox-password"
ca_file = "{ca}"
[routes.desk]
"""
BY_LMTP = """
type = "lmtp"
host = "127.0.0.1"
port = {lmtp}
security = "none"
to = "desk@desk.example"
"""
BY_IMAP = """
type = "imap"
host = "localhost"
port = {imap}
security = "tls"
username = "desk@desk.example"
password_file = "desk-password"
ca_file = "{ca}"
"""


@pytest.mark.parametrize("route", [BY_LMTP, BY_IMAP], ids=["lmtp", "imap"])
def test_a_route_into_a_mailbox_waits_while_it_is_closed_and_then_fills_it_once(
    gateway: Gateway, dovecot: Dovecot, zone: Zone, route: str
) -> None:
    dovecot.add_user("support", "the-mailbox-password")
    ports = {"imap": dovecot.imaps_port, "lmtp": dovecot.lmtp_port, "ca": dovecot.ca_file}
    secrets = {"mailbox-password": "the-mailbox-password", "desk-password": "desk-code"}
    is_imap = route is BY_IMAP
    if not is_imap:
        dovecot.add_user("desk@desk.example", "desk-code")
    gateway.apply((INTO_DOVECOT + route).format(**ports), **secrets)
    gateway.start()
    wait_until_watched(gateway)
    dovecot.deliver("support", Customer(zone).write(to=BOX))
    if is_imap:  # refused so far: it waits, with the reason
        wait_until(
            lambda: any(
                one["recipients"][0]["attempts"] for one in gateway.json("queue", "list")
            ),
            what=gateway.log,
        )
        dovecot.add_user("desk@desk.example", "desk-code")
    wait_until(lambda: dovecot.contents("desk@desk.example"), what=gateway.log)
    gateway.wait_for_empty_queue()
    (arrived,) = (
        message_from_bytes(one, policy=default) for one in dovecot.contents("desk@desk.example")
    )
    assert arrived["From"] == f"Ann <{Customer.address}>"
    assert arrived["X-Gateway-Mailbox"] == BOX
    books = gateway.json("status")["books"]
    assert (books["in"]["routed"], books["route"]["delivered"]) == (1, 1)
