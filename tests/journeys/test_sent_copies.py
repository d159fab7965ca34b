"""A mailbox provider that gives sent mail another Message-ID and tells it by its copy alone."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.mail.message import parse_message
from gateway.sandbox.misbehaviour import Misbehaviour
from gateway.sandbox.world import World, WorldSettings, open_world
from tests.sandbox.conftest import Loop, loop
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until

__all__ = ["loop"]

BOX, ANN = "support@acme.example", "ann@example.net"
HOOK = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOGIN = "a-password-of-the-helpdesk"
TENANT = """
tenant = "acme"
route = "helpdesk"
[domains."acme.example"]
[senders."{box}"]
upstream = "box"
[upstreams.box]
mailbox = "{box}"
host = "127.0.0.1"
port = {smtp}
security = "none"
[mailboxes."{box}"]
provider = "proton-bridge"
host = "127.0.0.1"
port = {imap}
security = "none"
password_file = "code"
[routes.helpdesk]
type = "webhook"
url = "{hook}"
secret_file = "hook"
[credentials.helpdesk]
password_file = "login"
"""


@pytest.fixture
def world(loop: Loop, tmp_path: Path) -> Iterator[World]:
    opened = open_world(WorldSettings(directory=tmp_path, hook_secret=HOOK))
    entered: World = loop.run(opened.__aenter__())
    loop.call(entered.mailboxes.add_account, BOX, "code")
    entered.saves_sent = True
    entered.upstream.misbehaviour = Misbehaviour(
        rewrite_message_id="provider.example", hide_new_id=True
    )
    yield entered
    loop.run(opened.__aexit__(None, None, None))


@pytest.fixture
def gateway(world: World) -> Iterator[Gateway]:
    server = Gateway(workers=1)
    text = TENANT.format(
        box=BOX,
        smtp=world.upstream.port,
        imap=world.mailboxes.port,
        hook=world.helpdesk.url,
    )
    server.apply(text, code="code", hook=HOOK, login=LOGIN)
    server.start()
    wait_until(lambda: "mailbox.connected" in server.log(), what=server.log)
    yield server
    server.close()


def test_an_answer_to_the_providers_id_names_the_helpdesks_even_after_a_kill(
    gateway: Gateway, world: World, loop: Loop
) -> None:
    send(gateway, "<desk-1@acme.example>")
    gateway.kill()
    renamed = answer_last(world, loop)
    gateway.start()
    answer = told(world, gateway, "message.received")
    assert answer["in_reply_to"] == "<desk-1@acme.example>"
    sent = told(world, gateway, "message.delivered")
    assert (answer["conversation"], answer["linked"]) == (sent["conversation"], None)
    timeline = gateway.json("log", "trace", renamed)
    assert timeline["message_id"] == "<desk-1@acme.example>"
    assert "message.renamed" in [one["event"] for one in timeline["events"]]


def send(gateway: Gateway, own: str) -> None:
    """Write to Ann as the helpdesk does; returns once it has left."""
    lines = [f"From: {BOX}", f"To: {ANN}", "Subject: Order", f"Message-ID: {own}"]
    with smtplib.SMTP("127.0.0.1", gateway.plain, timeout=60) as client:
        client.login("acme.helpdesk", LOGIN)
        client.sendmail(BOX, [ANN], "\r\n".join([*lines, "", "Hello", ""]))
    gateway.wait_for_empty_queue()


def answer_last(world: World, loop: Loop) -> str:
    """Let Ann answer what she got last; return its Message-ID."""
    got = parse_message([*world.upstream.captured][-1].content)
    loop.call(world.reply, got.content, "Thank you!", customer=ANN)
    assert got.message_id.endswith("@provider.example>")
    return got.message_id


def told(world: World, gateway: Gateway, type_: str) -> dict[str, Any]:
    """Return the data of the only webhook of a type, once it has come."""

    def found() -> list[Any]:
        payloads = [one.payload for one in world.helpdesk.received]
        return [one["data"] for one in payloads if one["type"] == type_]

    wait_until(lambda: len(found()) == 1, what=gateway.log)
    return dict(found()[0])
