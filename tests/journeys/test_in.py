"""IN: from a customer's mail in a mailbox to the helpdesk's webhook, and an answer."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from urllib.request import urlopen

import pytest

from tests.authenticity.letters import rsa_key, sealed
from tests.journeys.customer import Customer
from tests.journeys.test_out import PASSWORD, letter, submit
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import SECRET, Helpdesk
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

BOX = "support@acme.example"
TENANT = """
tenant = "acme"
name = "Acme Shop"
route = "helpdesk"
[domains."acme.example"]
[senders."support@acme.example"]
name = "Acme Support"
upstream = "own"
[upstreams.own]
host = "localhost"
port = {smtp}
security = "starttls"
username = "relay"
password_file = "upstream-password"
ca_file = "{smtp_ca}"
[mailboxes."support@acme.example"]
host = "localhost"
port = {imap}
security = "tls"
username = "support"
password_file = "mailbox-password"
ca_file = "{imap_ca}"
answers = true
[routes.helpdesk]
type = "webhook"
url = "{hook}"
secret_file = "hook-secret"
[credentials.zammad]
password_file = "submission-password"
"""

FILTERS = """
[spam]
header = "X-Spam-Score"
received_by = ["mx.acme.example"]
[virus]
header = "X-Virus-Status"
kind = "text"
texts = ["1=clean", "5=infected"]
received_by = ["mx.acme.example"]
[alerts]
to = ["it@gateway.example"]
from = "gateway@gateway.example"
host = "localhost"
port = {smtp}
security = "starttls"
username = "relay"
password_file = "upstream-password"
ca_file = "{smtp_ca}"
"""
ABOVE = (
    b"X-Spam-Score: 9.1\r\nX-Virus-Status: infected\r\n"
    b"Received: from mail.example.org by mx.acme.example; Tue, 24 Nov 2026 12:00:00 +0000\r\n"
    b"X-Spam-Score: 0.0\r\nX-Virus-Status: clean\r\n"
)
SCANNED = """
if spamtest :value "ge" :comparator "i;ascii-numeric" "9" { addflag "spam"; }
if virustest :is "5" { addflag "virus"; }
"""
RECEIVED = """
if header :contains "Subject" "unsubscribe" { hold :notify "postmaster" "a person decides"; }
vacation :days 1 :handle "received" :subject "We have your message" "We answer soon.";
"""


def apply_tenant(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk
) -> None:
    dovecot.add_user("support", "the-mailbox-password")
    gateway.apply(
        TENANT.format(
            smtp=postfix.port,
            smtp_ca=postfix.ca_file,
            imap=dovecot.imaps_port,
            imap_ca=dovecot.ca_file,
            hook=helpdesk.url,
        ),
        **{
            "upstream-password": "the-upstream-password",
            "mailbox-password": "the-mailbox-password",
            "hook-secret": SECRET,
            "submission-password": PASSWORD,
        },
    )


def write_policy(gateway: Gateway, text: str) -> None:
    folder = gateway.home / "policies/inbound"
    folder.mkdir(exist_ok=True)
    (folder / "50-received.sieve").write_text(text)


def trace_of_newest(gateway: Gateway) -> str:
    id_ = gateway.json("log", "search", BOX)[0]["id"]
    return f"{gateway.run('log', 'trace', id_).stdout}\n{gateway.log()}"


def wait_until_watched(gateway: Gateway) -> None:
    wait_until(
        lambda: "mailbox.connected" in gateway.log(),
        what=lambda: f"the mailbox\n{gateway.log()}",
    )


def test_a_customers_mail_reaches_the_webhook_and_is_answered_once(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    write_policy(gateway, RECEIVED)
    gateway.start()
    wait_until_watched(gateway)
    customer = Customer(zone)
    dovecot.deliver("support", customer.write(to=BOX))
    wait_until(postfix.delivered, what=lambda: f"the answer\n{trace_of_newest(gateway)}")
    wait_until(
        lambda: helpdesk.of_type("message.received"),
        what=lambda: f"the webhook {helpdesk.refused}\n{gateway.log()}",
    )
    (answer,) = (message_from_bytes(one, policy=default) for one in postfix.delivered())
    assert answer["Subject"] == "We have your message"
    assert answer["To"] == customer.address
    assert answer["Auto-Submitted"] == "auto-replied (vacation)"
    assert "<>" in answer["Return-Path"]
    assert answer["DKIM-Signature"]
    data = helpdesk.of_type("message.received")[0].payload["data"]
    assert data["from"] == {"address": customer.address, "name": "Ann"}
    assert data["auth"]["dkim"] == data["auth"]["dmarc"] == "pass"
    assert data["mailbox"] == BOX
    with urlopen(data["raw_url"]) as raw:
        assert b"Subject: Where is my order?" in raw.read()
    zone.publish("s1._domainkey.list.example", "TXT", f"v=DKIM1; p={rsa_key()[1]}")
    second = sealed(customer.write(to=BOX, subject="And another thing"), by="list.example")
    dovecot.deliver("support", second)
    wait_until(
        lambda: len(helpdesk.of_type("message.received")) == 2,
        what=lambda: f"the second webhook\n{gateway.log()}",
    )
    data = helpdesk.of_type("message.received")[1].payload["data"]
    assert (data["auth"]["arc"], data["auth"]["dmarc"]) == ("pass", "pass")
    events = gateway.json("log", "trace", data["id"])["events"]
    (planned,) = (one["detail"] for one in events if one["event"] == "message.planned")
    assert planned["auth"] == data["auth"]
    assert planned["auth_reason"].startswith(
        f"dkim of {customer.address.partition('@')[2]}, by us"
    )
    gateway.wait_for_empty_queue()
    assert len(postfix.delivered()) == 1
    books = gateway.json("status")["books"]
    assert books["in"]["fetched"] == 2
    assert all(page["difference"] == 0 for page in books.values())


def test_an_unproven_sender_gets_no_answer_and_the_trace_says_why(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    write_policy(gateway, RECEIVED)
    gateway.start()
    wait_until_watched(gateway)
    forged = b"From: ann@customer.example\r\nTo: support@acme.example\r\n\r\nHello\r\n"
    dovecot.deliver("support", forged)
    wait_until(
        lambda: helpdesk.of_type("message.received"), what=lambda: f"a webhook\n{gateway.log()}"
    )
    id_ = helpdesk.of_type("message.received")[0].payload["data"]["id"]
    wait_until(
        lambda: any(
            one["event"] == "answer.suppressed"
            for one in gateway.json("log", "trace", id_)["events"]
        ),
        what=lambda: f"a suppression\n{gateway.run('log', 'trace', id_).stdout}",
    )
    assert postfix.delivered() == []


def test_a_policy_holds_a_mail_with_file_and_line(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    filters = FILTERS.format(smtp=postfix.port, smtp_ca=postfix.ca_file)
    gateway.config.write_text(gateway.config.read_text() + filters)
    write_policy(gateway, SCANNED + RECEIVED)
    gateway.start()
    wait_until_watched(gateway)
    dovecot.deliver("support", ABOVE + Customer(zone).write(to=BOX, subject="unsubscribe me"))
    wait_until(
        lambda: gateway.figure("books_total", page="in", entry="held") == 1,
        what=lambda: f"the mail held\n{gateway.log()}",
    )
    wait_until(lambda: helpdesk.of_type("message.held"), what=lambda: "the event")
    told = helpdesk.of_type("message.held")[0].payload["data"]
    assert (told["direction"], told["notify"]) == ("in", ["postmaster"])
    id_ = told["id"]
    events = gateway.json("log", "trace", id_)["events"]
    held = next(one for one in events if one["event"] == "effect.held")
    assert held["detail"]["file"] == "inbound/50-received.sieve"
    assert held["detail"]["line"] == 5
    assert helpdesk.of_type("message.received") == []
    gateway.wait_for_empty_queue()  # the event has arrived, and soon that is recorded
    [waiting] = gateway.json("queue", "list")
    assert (waiting["id"], waiting["direction"]) == (id_, "in")
    assert waiting["reason"] == "inbound/50-received.sieve:5 a person decides"
    wait_until(postfix.delivered, what=lambda: f"the mail to the postmaster\n{gateway.log()}")
    (notice,) = (message_from_bytes(one, policy=default) for one in postfix.delivered())
    assert (notice["To"], notice["Subject"]) == (
        "it@gateway.example", "[gateway.example] acme: a message is held",
    )  # fmt: skip
    assert f"gateway queue release {id_}\n" in notice.get_content()
    assert gateway.json("queue", "release", id_)["action"] == "released"
    wait_until(
        lambda: helpdesk.of_type("message.received"),
        what=lambda: f"the released mail\n{gateway.log()}",
    )
    released = helpdesk.of_type("message.received")[0].payload["data"]
    assert released["tags"] == ["spam", "virus"]
    wait_until(
        lambda: gateway.figure("books_total", page="in", entry="routed") == 1,
        what=lambda: "the books",
    )
    books = gateway.json("status")["books"]["in"]
    assert (books["held"], books["difference"]) == (0, 0)


def test_a_bounce_returns_to_the_helpdesk_in_the_thread_of_the_original(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    gateway.start()
    message = letter(to="nobody@example.net")
    message["Message-ID"] = "<ticket-1@acme.example>"
    submit(gateway, message, security="starttls")
    wait_until(
        lambda: helpdesk.of_type("message.bounced"), what=lambda: f"events\n{gateway.log()}"
    )
    wait_until(
        lambda: helpdesk.of_type("message.received"), what=lambda: f"the DSN\n{gateway.log()}"
    )
    bounced = helpdesk.of_type("message.bounced")[0].payload["data"]
    assert bounced["class"] == "recipient-dead"
    assert bounced["recipient"] == "nobody@example.net"
    assert bounced["conversation"]
    notification = helpdesk.of_type("message.received")[0].payload["data"]
    assert notification["in_reply_to"] == "<ticket-1@acme.example>"


def test_a_way_that_takes_no_mail_and_its_end_are_told_to_the_helpdesk(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    gateway.start()
    gateway.run("upstream", "pause", "acme", "own")
    assert upstream_change(gateway, helpdesk, 1) == ("own", "paused", "person")
    gateway.run("upstream", "resume", "acme", "own")
    assert upstream_change(gateway, helpdesk, 2) == ("own", "open", None)
    wait_until_watched(gateway)
    helpdesk.status = 410
    dovecot.deliver("support", b"From: ann@x.example\r\nTo: support@acme.example\r\n\r\nHi\r\n")
    wait_until(
        lambda: any(one.status == 410 for one in helpdesk.of_type(ROUTE_CHANGED)),
        what=gateway.log,
    )
    helpdesk.status = 204
    (aside,) = gateway.json("status")["set_aside"]
    gateway.run(*aside["fix"].split()[1:])
    wait_until(
        lambda: (
            "open" in [one.payload["data"]["state"] for one in helpdesk.of_type(ROUTE_CHANGED)]
        ),
        what=gateway.log,
    )
    assert [one.status for one in helpdesk.of_type("message.received")] == [410, 204]


ROUTE_CHANGED = "route.state_changed"


def upstream_change(
    gateway: Gateway, helpdesk: Helpdesk, number: int
) -> tuple[str, str, str | None]:
    """Return the upstream, its state and who paused it, of the event of this number."""
    wait_until(
        lambda: len(helpdesk.of_type("upstream.state_changed")) >= number, what=gateway.log
    )
    data = helpdesk.of_type("upstream.state_changed")[number - 1].payload["data"]
    return data["upstream"], data["state"], data["paused_by"]
