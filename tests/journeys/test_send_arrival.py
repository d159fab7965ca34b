"""`gateway send` to a connected mailbox: where it lies, and what is proven there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.sandbox.misbehaviour import Misbehaviour
from gateway.sandbox.world import World, WorldSettings, open_world
from tests.journeys.test_in import BOX, wait_until_watched
from tests.journeys.test_out import TENANT, dkim_records
from tests.sandbox.conftest import Loop, loop
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.postfix import Postfix
from tests.servers.zone import Zone

__all__ = ["loop"]

pytestmark = pytest.mark.servers

MAILBOX = """
[mailboxes."support@acme.example"]
host = "localhost"
port = {imap}
security = "tls"
password_file = "mailbox-password"
ca_file = "{imap_ca}"
"""
IN_THE_SANDBOX = """
tenant = "acme"
[domains."acme.example"]
[senders."support@acme.example"]
upstream = "ses"
[upstreams.ses]
provider = "ses"
host = "127.0.0.1"
port = {smtp}
security = "none"
username = "AKIA"
password_file = "key"
[mailboxes."support@acme.example"]
host = "127.0.0.1"
port = {imap}
security = "none"
password_file = "code"
"""
SECRETS = {
    "upstream-password": "the-upstream-password",
    "submission-password": "x" * 20,
    "mailbox-password": "the-mailbox-password",
}


@pytest.fixture
def postfix(dovecot: Dovecot) -> Iterator[Postfix]:
    """A provider whose mail comes into its mailboxes."""
    server = Postfix(lmtp_to=dovecot.lmtp_port)
    server.add_user("relay", "the-upstream-password")
    server.start()
    yield server
    server.close()


@pytest.fixture
def world(loop: Loop, tmp_path: Path) -> Iterator[World]:
    opened = open_world(WorldSettings(directory=tmp_path))
    entered: World = loop.run(opened.__aenter__())
    loop.call(entered.mailboxes.add_account, BOX, "code")
    yield entered
    loop.run(opened.__aexit__(None, None, None))


def test_a_mail_to_a_connected_mailbox_is_followed_into_its_folder(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, zone: Zone
) -> None:
    dovecot.add_user(BOX, "the-mailbox-password")
    outbound = TENANT.format(port=postfix.port, ca_file=postfix.ca_file)
    inbound = MAILBOX.format(imap=dovecot.imaps_port, imap_ca=dovecot.ca_file)
    gateway.apply(outbound + inbound, **SECRETS)
    for name, record in dkim_records(gateway).items():
        zone.publish(name, "TXT", record)
    zone.publish("_dmarc.acme.example", "TXT", "v=DMARC1; p=reject")
    gateway.start()
    wait_until_watched(gateway)
    sent = gateway.json("send", "--to", BOX)
    arrived = sent["arrived"]
    assert (arrived["mailbox"], arrived["folder"], arrived["junk"]) == (BOX, "INBOX", False)
    assert arrived["from"] == f"Acme Support <{BOX}>"
    assert (arrived["message_id"], arrived["rewritten"]) == (sent["message_id"], False)
    assert (arrived["dkim"] | {"reason": ""}) == {
        "result": "pass",
        "domain": "acme.example",
        "by": "us",
        "reason": "",
    }
    assert [arrived[one]["result"] for one in ("spf", "dmarc")] == ["none", "pass"]
    gateway.run("mailbox", "pause", BOX)
    paused = gateway.json("send", "--to", BOX)
    assert (paused["state"], paused["arrived"]) == ("delivered", None)
    assert "it is paused" in paused["not_looked_for"]


def test_junk_and_a_message_id_of_the_provider_are_told(gateway: Gateway, world: World) -> None:
    text = IN_THE_SANDBOX.format(smtp=world.upstream.port, imap=world.mailboxes.port)
    gateway.apply(text, key="k", code="code")
    gateway.start()
    wait_until_watched(gateway)
    world.upstream.misbehaviour = Misbehaviour(rewrite_message_id="eu-west-1.amazonses.com")
    world.filed[BOX] = "Junk"
    sent = gateway.json("send", "--to", BOX)
    arrived = sent["arrived"]
    assert (arrived["folder"], arrived["junk"], arrived["rewritten"]) == ("Junk", True, True)
    assert arrived["message_id"] == f"<{sent['remote_id']}@eu-west-1.amazonses.com>"
    world.filed[BOX] = "Sent"  # where nobody looks
    done = gateway.run("send", "--to", BOX, "--wait", "4", check=False)
    assert (done.returncode, "upstream   ses" in done.stdout) == (1, True)
    assert done.stderr == (
        f"gateway: the upstream took it, but it has not come into {BOX} in 4 s\n"
    )
