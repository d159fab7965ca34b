"""OUT, with policies: what a chain decides is done before the 250, on real sockets."""

from __future__ import annotations

import os
import signal
import smtplib
import sqlite3
from contextlib import closing
from email.policy import SMTP
from pathlib import Path

import pytest

from tests.journeys.test_notifications import start
from tests.journeys.test_out import PASSWORD, apply_tenant, dkim_records, letter, submit
from tests.servers import mail_dkim, opendkim
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import Helpdesk
from tests.servers.zone import Zone

WORKERS = 2  # as by default on two cores

pytestmark = pytest.mark.servers

CHAIN = """
setfrom :name "Acme GmbH" "support@acme.example";
setreplyto "desk@acme.example";
addheader "X-Shop" "Berlin";
footer "Acme GmbH, Kölner Straße 1";
if header :contains "subject" "forbidden" { reject "Write no such thing."; }
if header :contains "subject" "wait" { hold "a person looks at it"; }
if header :contains "subject" "nothing" { discard; }
"""
LIMIT = """
if header :contains "subject" "many" {
  if limit :count 1 :seconds 3600 :handle "many" "key" { reject "Only one an hour."; }
}
"""


def write(gateway: Gateway, name: str, text: str) -> Path:
    path = gateway.home / "policies" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def send(gateway: Gateway, subject: str, body: str = "Hello Ann.\n") -> str:
    """Submit a letter in the clear; return the reply to its final dot."""
    message = letter(body)
    del message["Subject"]
    message["Subject"] = subject
    with smtplib.SMTP("127.0.0.1", gateway.plain) as client:
        client.login("acme.zammad", PASSWORD)
        client.mail("support@acme.example")
        client.rcpt("ann@example.net")
        code, text = client.data(message.as_bytes(policy=SMTP))
    return f"{code} {text.decode()}"


def test_a_chain_edits_signs_rejects_holds_discards_and_counts(
    gateway: Gateway, postfix: Postfix, zone: Zone
) -> None:
    apply_tenant(gateway, postfix)
    write(gateway, "outbound/20-sender.sieve", CHAIN)
    write(gateway, "tenants/acme/outbound/30-many.sieve", LIMIT)
    gateway.start()
    submit(gateway, letter(), security="starttls")
    wait_until(postfix.delivered, what=lambda: f"the mail\n{gateway.log()}\n{postfix.log()}")
    (arrived,) = postfix.delivered()
    assert b'From: "Acme GmbH" <support@acme.example>' in arrived
    assert b"Reply-To: desk@acme.example" in arrived
    assert b"X-Shop: Berlin" in arrived
    assert "Kölner Straße".encode() in arrived or b"K=C3=B6lner" in arrived
    keys = dkim_records(gateway)
    assert "succeeded" in opendkim.verify(arrived, keys=keys)
    for name, value in keys.items():
        zone.publish(name, "TXT", value)
    proven = mail_dkim.verify(arrived.replace(b"\n", b"\r\n"), zone)
    assert proven["rsa-sha256 acme.example"] == "pass"
    assert send(gateway, "forbidden") == "550 5.7.1 Write no such thing."
    assert send(gateway, "many").startswith("250 ")
    assert send(gateway, "many") == "550 5.7.1 Only one an hour."
    assert send(gateway, "say nothing").startswith("250 ")
    reply = send(gateway, "please wait")
    assert reply.startswith("250 ")
    gateway_queue = [
        one for one in gateway.json("queue", "list") if "person" in (one["reason"] or "")
    ]
    assert [one["id"] for one in gateway_queue] == [reply.rpartition(" ")[2]]
    assert gateway_queue[0]["recipients"][0]["state"] == "held"
    trace = gateway.json("log", "trace", gateway_queue[0]["id"])["events"]
    assert "message.planned" in [one["event"] for one in trace]
    explained = gateway.json("policy", "explain", gateway_queue[0]["id"])
    assert [one["effect"] for one in explained["effects"]] == ["hold"]
    assert explained["trace"][0]["file"] == "outbound/20-sender.sieve"
    assert len(explained["version"]) == 16
    shown = gateway.run("policy", "explain", gateway_queue[0]["id"]).stdout
    assert "header :contains" in shown
    gateway.run("queue", "release", gateway_queue[0]["id"])
    gateway.wait_for_empty_queue()
    assert len(postfix.delivered()) == 3
    assert gateway.json("status")["books"]["out"]["difference"] == 0


def ask_to_reload(gateway: Gateway) -> None:
    """SIGHUP, to each process: whoever sends it wants the server to stay."""
    assert gateway.process is not None
    own = gateway.process.pid
    beside = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    for pid in (own, *map(int, beside)):
        os.kill(pid, signal.SIGHUP)
    wait_until(lambda: "server.reload_asked" in gateway.log(), what=gateway.log)


def test_only_a_chain_that_never_compiled_takes_nothing_even_after_a_restart(
    gateway: Gateway, postfix: Postfix
) -> None:
    apply_tenant(gateway, postfix)
    path = write(gateway, "tenants/acme/outbound/10.sieve", 'fileinto "desk";')
    gateway.start()
    assert send(gateway, "Hi").startswith("451 4.3.5 ")
    assert gateway.json("queue", "list") == []
    path.write_text('if header :contains "subject" "forbidden" { reject "Not this."; }')
    wait_until(lambda: send(gateway, "Hi").startswith("250"), what=gateway.log)
    path.write_text("broken")
    ask_to_reload(gateway)
    assert gateway.stop() == 0
    assert "server.worker_ended" not in gateway.log()
    gateway.start()
    assert send(gateway, "forbidden") == "550 5.7.1 Not this."
    status = gateway.json("status")["policies"]
    assert [one["line"] for one in status["errors"]] == [1]
    assert [(one["chain"], len(one["running"])) for one in status["broken"]] == [
        ("outbound", 16)
    ]


HELD = """
footer "Acme Ltd";
if header :contains "subject" "later" { hold :for 3600 :then "release" "not at once"; }
if header :contains "subject" "never" { hold :for 3600 :then "reject" "Not this one."; }
if header :contains "subject" "nothing" { hold :for 3600 :then "discard" "no use"; }
include :global "look";
"""
LOOK = """
if header :contains "subject" "look" { hold :notify "owner" "a person looks"; }
"""
BEHIND = 'addheader "X-Behind" "yes"; footer "Other";'


def end_holds(gateway: Gateway) -> None:
    """Let the hour be over; a second, as a policy may say, would be over before the kill."""
    with closing(sqlite3.connect(gateway.home / "state/gateway.db", timeout=30)) as db:
        db.execute("UPDATE delivery SET next_attempt_at = 1 WHERE next_attempt_at IS NOT NULL")
        db.commit()


def test_a_hold_ends_as_it_says_also_after_a_kill(
    gateway: Gateway, postfix: Postfix, helpdesk: Helpdesk
) -> None:
    write(gateway, "outbound/20-hold.sieve", HELD)
    write(gateway, "outbound/30-behind.sieve", BEHIND)
    write(gateway, "lib/look.sieve", LOOK)
    start(gateway, postfix, helpdesk)
    large = "Hello Ann.\n" * 10_000  # judged in a process of its own
    later = send(gateway, "later", large).rpartition(" ")[2]
    never, nothing, look = (
        send(gateway, subject).rpartition(" ")[2] for subject in ("never", "nothing", "look")
    )
    gateway.kill()
    waiting = {one["id"]: one for one in gateway.json("queue", "list")}
    assert "outbound/20-hold.sieve:3 not at once; it is released at" in waiting[later]["reason"]
    assert f"gateway queue release {later}" in waiting[later]["fix"]
    assert waiting[never]["recipients"][0]["next_attempt_at"]
    assert waiting[look]["recipients"][0]["next_attempt_at"] is None
    gateway.run("queue", "release", look)
    end_holds(gateway)
    gateway.start()
    gateway.wait_for_empty_queue()
    arrived = postfix.delivered()
    assert len(arrived) == 2
    assert all(b"X-Behind: yes" in one for one in arrived)
    assert all(one.count(b"Acme Ltd") == 1 and b"Other" not in one for one in arrived)
    states = {
        id_: gateway.json("queue", "show", id_)["recipients"][0]
        for id_ in (later, never, nothing, look)
    }
    assert [one["state"] for one in states.values()] == [
        "delivered", "failed", "cancelled", "delivered",
    ]  # fmt: skip
    assert states[never]["last_reply"] == "550 5.7.1 Not this one."
    events = [one["event"] for one in gateway.json("log", "trace", later)["events"]]
    assert events.count("hold.ended") == 1
    explained = gateway.json("policy", "explain", look)
    assert [one["effect"] for one in explained["effects"]] == ["store"]
    files = dict.fromkeys(one["file"] for one in explained["trace"])
    assert list(files) == [
        "outbound/20-hold.sieve", "lib/look.sieve", "outbound/30-behind.sieve",
    ]  # fmt: skip
    held = [one.payload["data"] for one in helpdesk.of_type("message.held")]
    assert {one["id"] for one in held} == {later, never, nothing, look}
    assert {one["id"]: one["notify"] for one in held}[look] == ["owner"]
    bounced = [one.payload["data"] for one in helpdesk.of_type("message.bounced")]
    assert [(one["id"], one["class"]) for one in bounced] == [(never, "policy")]
    assert gateway.json("status")["books"]["out"]["difference"] == 0
