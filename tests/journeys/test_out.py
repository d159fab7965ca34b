"""OUT: from a helpdesk's submission to the customer, through the tenant's own upstream."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from email.message import EmailMessage

import pytest

from tests.servers.gateway import Gateway
from tests.servers.need import need
from tests.servers.opendkim import verify
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix

WORKERS = 2  # as by default on two cores

pytestmark = pytest.mark.servers

TENANT = """
tenant = "acme"
[domains."acme.example"]
[senders."support@acme.example"]
name = "Acme Support"
upstream = "own"
[upstreams.own]
host = "localhost"
port = {port}
security = "starttls"
username = "relay"
password_file = "upstream-password"
ca_file = "{ca_file}"
[credentials.zammad]
password_file = "submission-password"
"""
PASSWORD = "submission-password-0123456789"


def apply_tenant(gateway: Gateway, postfix: Postfix) -> None:
    gateway.apply(
        TENANT.format(port=postfix.port, ca_file=postfix.ca_file),
        **{"upstream-password": "the-upstream-password", "submission-password": PASSWORD},
    )


def letter(text: str = "Hello Ann.\n.\nGrüße\n", to: str = "ann@example.net") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "support@acme.example"
    message["To"] = to
    message["Subject"] = "Your order"
    message.set_content(text)
    return message


def submit(gateway: Gateway, message: EmailMessage, *, security: str) -> None:
    context = ssl.create_default_context(cafile=str(gateway.home / "state/ca.pem"))
    if security == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", gateway.tls, context=context)
    else:
        client = smtplib.SMTP("localhost", gateway.starttls)
        client.starttls(context=context)
    with client:
        client.login("acme.zammad", PASSWORD)
        client.send_message(message)


def dkim_records(gateway: Gateway) -> dict[str, str]:
    records = gateway.json("domain", "records", "acme.example")
    return {one["name"]: one["value"] for one in records if "._domainkey." in one["name"]}


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_submitted_mail_arrives_signed_and_the_signature_passes_in_opendkim(
    gateway: Gateway, postfix: Postfix, security: str
) -> None:
    apply_tenant(gateway, postfix)
    gateway.start()
    submit(gateway, letter(), security=security)
    wait_until(postfix.delivered, what=lambda: f"the mail\n{gateway.log()}\n{postfix.log()}")
    (arrived,) = postfix.delivered()
    assert b"From: Acme Support <support@acme.example>" in arrived
    assert arrived.count(b"DKIM-Signature:") == 2
    assert "succeeded" in verify(arrived, keys=dkim_records(gateway))
    gateway.wait_for_empty_queue()
    assert gateway.json("queue", "list") == []


def test_swaks_submits_and_the_timeline_tells_each_step(
    gateway: Gateway, postfix: Postfix
) -> None:
    need("swaks")
    apply_tenant(gateway, postfix)
    gateway.start()
    done = subprocess.run(
        [
            *("swaks", "--server", f"localhost:{gateway.starttls}", "--tls"),
            *("--auth", "PLAIN", "--auth-user", "acme.zammad", "--auth-password", PASSWORD),
            *("--from", "support@acme.example", "--to", "ann@example.net"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    id_ = done.stdout.partition("queued as ")[2].split()[0]
    wait_until(postfix.delivered, what=lambda: f"the mail\n{gateway.log()}")
    gateway.wait_for_empty_queue()
    trace = gateway.json("log", "trace", id_)
    assert [one["event"] for one in trace["events"]] == [
        "message.accepted",
        "delivery.delivered",
    ]
    assert all(one["meaning"] for one in trace["events"])


def test_a_refused_recipient_bounces_into_nothing_but_the_journal_without_a_route(
    gateway: Gateway, postfix: Postfix
) -> None:
    apply_tenant(gateway, postfix)
    gateway.start()
    submit(gateway, letter(to="nobody@example.net"), security="starttls")
    gateway.wait_for_empty_queue()
    (found,) = gateway.json("log", "search", "nobody@example.net")
    events = gateway.json("log", "trace", found["id"])["events"]
    assert [one["event"] for one in events] == [
        "message.accepted",
        "delivery.failed",
        "recipient.suppressed",
    ]
    assert "5.1.1" in events[1]["detail"]["reply"]


def test_a_wrong_upstream_password_pauses_the_queue_and_drains_after_repair(
    gateway: Gateway, postfix: Postfix
) -> None:
    apply_tenant(gateway, postfix)
    (gateway.home / "upstream-password").write_text("not-the-password")
    gateway.run("apply", str(gateway.home / "tenant.toml"))
    gateway.start()
    submit(gateway, letter(), security="starttls")

    def waits_with_a_reason() -> bool:
        """While it is tried it is claimed, and may have the reason already."""
        queue = gateway.json("queue", "list")
        return any(
            one["reason"] is not None and one["recipients"][0]["state"] == "queued"
            for one in queue
        )

    wait_until(waits_with_a_reason, what=lambda: f"a reason\n{gateway.log()}")
    (waiting,) = gateway.json("queue", "list")
    assert waiting["recipients"][0]["state"] == "queued"
    assert waiting["fix"]
    (gateway.home / "upstream-password").write_text("the-upstream-password")
    gateway.run("apply", str(gateway.home / "tenant.toml"))
    wait_until(postfix.delivered, what=lambda: f"the mail\n{gateway.log()}")
    gateway.wait_for_empty_queue()
    assert gateway.json("status")["books"]["out"]["difference"] == 0


def test_an_upstream_that_is_down_loses_nothing(gateway: Gateway, postfix: Postfix) -> None:
    apply_tenant(gateway, postfix)
    postfix.stop()
    gateway.start()
    submit(gateway, letter(), security="starttls")
    wait_until(
        lambda: gateway.json("queue", "list")[0]["recipients"][0]["state"] == "deferred",
        what=lambda: f"a deferral\n{gateway.log()}",
    )
    postfix.start()
    gateway.run("queue", "retry", gateway.json("queue", "list")[0]["id"])
    wait_until(postfix.delivered, what=lambda: f"the mail\n{gateway.log()}")


def test_a_dead_address_is_refused_from_then_on_and_the_others_are_served(
    gateway: Gateway, postfix: Postfix
) -> None:
    apply_tenant(gateway, postfix)
    gateway.start()
    submit(gateway, letter(to="nobody@example.net"), security="starttls")
    gateway.wait_for_empty_queue()
    (entry,) = gateway.json("suppression", "list")
    assert (entry["address"], entry["tenant"]) == ("nobody@example.net", "acme")
    assert entry["reason"] == "recipient-dead"
    assert "5.1.1" in entry["evidence"]
    assert entry["expires_on"]
    wait_until(lambda: takes(gateway, "nobody@example.net") == 550, what=gateway.log)
    with smtplib.SMTP("127.0.0.1", gateway.plain) as client:
        client.login("acme.zammad", PASSWORD)
        people = ["Nobody@EXAMPLE.net", "ann@example.net"]
        refused = client.send_message(letter(), to_addrs=people)
    code, said = refused["Nobody@EXAMPLE.net"]
    assert code == 550
    assert said.startswith(b"5.1.1 ")
    assert said.endswith(b"gateway suppression remove acme nobody@example.net")
    wait_until(postfix.delivered, what=lambda: f"the mail\n{gateway.log()}")
    found = gateway.json("log", "search", "nobody@example.net")
    assert {one["kind"] for one in found} == {"refused", "submission"}
    (event,) = gateway.json("log", "trace", found[0]["id"])["events"]
    assert (event["event"], event["fix"]) == (
        "recipient.refused",
        "gateway suppression remove acme nobody@example.net",
    )
    gateway.run("suppression", "remove", "acme", "nobody@example.net")
    wait_until(lambda: takes(gateway, "nobody@example.net") == 250, what=gateway.log)
    submit(gateway, letter(to="nobody@example.net"), security="starttls")
    assert gateway.json("status")["books"]["out"]["difference"] == 0


def takes(gateway: Gateway, recipient: str) -> int:
    """Return what RCPT is answered now; nothing is sent."""
    with smtplib.SMTP("127.0.0.1", gateway.plain) as client:
        client.login("acme.zammad", PASSWORD)
        client.mail("support@acme.example")
        return client.rcpt(recipient)[0]
