"""`gateway send`: a person's mail through the whole way, and what is told of it."""

from __future__ import annotations

import json
import subprocess
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from tests.journeys.test_out import TENANT, apply_tenant, dkim_records
from tests.servers.gateway import Gateway
from tests.servers.opendkim import verify
from tests.servers.postfix import Postfix

pytestmark = pytest.mark.servers

ANN = "ann@example.net"


def not_sent(gateway: Gateway, *words: str) -> tuple[dict[str, Any], str]:
    """Return the document and the sentence of a `gateway send` that must fail."""
    done = gateway.run("send", *words, "--json", check=False)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout), done.stderr


def refused(gateway: Gateway, *words: str) -> str:
    """Return the sentences of a `gateway send` that accepts nothing."""
    done: subprocess.CompletedProcess[str] = gateway.run("send", *words, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_a_mail_is_followed_to_the_upstreams_own_words(
    gateway: Gateway, postfix: Postfix
) -> None:
    apply_tenant(gateway, postfix)
    assert "gateway serve starts it" in refused(gateway, "--to", ANN)
    gateway.start()
    sent = gateway.json("send", "--to", ANN, "--subject", "Grüße")
    assert (sent["state"], sent["from"], sent["to"]) == (
        "delivered", "support@acme.example", ANN,
    )  # fmt: skip
    assert (sent["signed"], sent["upstream"], sent["host"]) == (
        ["acme.example"], "own", "localhost",
    )  # fmt: skip
    assert sent["tls"].startswith("TLSv1.")
    assert sent["reply"] == f"250 2.0.0 Ok: queued as {sent['remote_id']}"
    assert (sent["cause"], sent["fix"]) == (None, None)
    (arrived,) = postfix.delivered()
    assert "succeeded" in verify(arrived, keys=dkim_records(gateway))
    mail = message_from_bytes(arrived, policy=default)
    assert (mail["From"], mail["Subject"]) == ("Acme Support <support@acme.example>", "Grüße")
    assert f"by gateway.example id {sent['id']}" in " ".join(
        str(mail.get_all("Received", [])[-1]).split()
    )
    events = gateway.json("log", "trace", sent["remote_id"])["events"]
    assert [one["event"] for one in events] == ["message.accepted", "delivery.delivered"]
    assert events[0]["detail"]["credential"] == "gateway send"
    told = gateway.run("send", "--to", ANN, "--from", "support+test@acme.example").stdout
    steps = [line.split()[0] for line in told.splitlines()]
    assert steps == ["accepted", "signed", "upstream", "answer", "its", "delivered", "next:"]
    assert "DKIM of acme.example" in told


def test_a_no_is_told_with_its_cause_and_its_fix(gateway: Gateway, postfix: Postfix) -> None:
    apply_tenant(gateway, postfix)
    postfix.add_user("relay", "another-password")
    gateway.start()
    paused, said = not_sent(gateway, "--to", ANN, "--wait", "30")
    assert (paused["state"], paused["cause"]) == ("queued", "wrong-secret")
    assert paused["reply"].startswith("535 5.7.8")
    assert paused["fix"]
    assert said == "gateway: the upstream has not taken it yet; it waits\n"
    postfix.add_user("relay", "the-upstream-password")
    gateway.run("upstream", "resume", "acme", "own")
    failed, said = not_sent(gateway, "--to", "nobody@example.net")
    assert (failed["state"], failed["reply"][:9]) == ("failed", "550 5.1.1")
    assert failed["fix"]
    assert said == "gateway: the upstream will not take it\n"
    postfix.stop()
    waiting, _ = not_sent(gateway, "--to", ANN, "--wait", "30")
    assert (waiting["state"], waiting["cause"]) == ("deferred", "unreachable")
    assert "gateway upstream test acme own" in waiting["fix"]
    assert waiting["next_attempt_at"]
    shown = gateway.run("send", "--to", ANN, "--wait", "0", check=False).stdout
    assert f"next: gateway log trace {shown.split()[1].rstrip(',')}" in shown


def test_what_a_helpdesk_may_not_send_a_person_may_not_either(
    gateway: Gateway, postfix: Postfix
) -> None:
    more = '[senders."alone@acme.example"]\n[senders."sales@acme.example"]\nupstream = "own"\n'
    gateway.apply(
        TENANT.format(port=postfix.port, ca_file=postfix.ca_file) + more,
        **{"upstream-password": "the-upstream-password", "submission-password": "x" * 20},
    )
    folder = gateway.home / "policies/outbound"
    folder.mkdir()
    (folder / "10-words.sieve").write_text("kepe;\n")
    gateway.start()
    broken = refused(gateway, "--to", ANN)
    assert "10-words.sieve:1: there is no command 'kepe'" in broken
    assert "gateway policy check" in broken
    (folder / "10-words.sieve").write_text(
        'if header :contains "subject" "offer" { reject "No offers."; }\n'
        'if header :contains "subject" "look" { hold "a person looks"; }\n'
    )
    assert "No offers." in refused(gateway, "--to", ANN, "--subject", "An offer")
    held, said = not_sent(gateway, "--to", ANN, "--subject", "look at it")
    assert held["state"] == "held"
    assert "10-words.sieve:2" in held["meaning"]
    assert "until a person releases it" in said
    alone, _ = not_sent(gateway, "--to", ANN, "--from", "alone@acme.example")
    assert (alone["upstream"], alone["meaning"]) == (None, "its sender has no upstream")
    unknown = refused(gateway, "--to", ANN, "--from", "suport@acme.example")
    assert "did you mean 'support@acme.example'?" in unknown
    told = gateway.run("send", "--to", ANN).stdout
    assert "--from chooses another sender" in told
    assert len(postfix.delivered()) == 1
