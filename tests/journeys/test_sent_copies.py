"""Conversations: an id that a copy of sent mail tells, a reply token, a helpdesk's own name."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.mail.message import Edit, apply_edits, parse_message
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
name = "Acme"
upstream = "box"
reply_tokens = true
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


def test_an_answer_names_the_helpdesks_id_after_a_kill_and_by_a_token_alone(
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
    assert answer["conversation_ref"] == sent["conversation_ref"] == "chat-4711"
    assert all(b"chat-4711" not in one.content for one in world.upstream.captured)
    timeline = gateway.json("log", "trace", renamed)
    assert timeline["message_id"] == "<desk-1@acme.example>"
    assert "message.renamed" in [one["event"] for one in timeline["events"]]
    write_to_token(world, loop)
    afresh = told(world, gateway, "message.received", count=2)
    assert (afresh["conversation"], afresh["linked"]) == (sent["conversation"], None)
    assert afresh["in_reply_to"] == "<desk-1@acme.example>"
    assert afresh["to"] == [{"address": BOX, "name": "Acme"}]


def send(gateway: Gateway, own: str) -> None:
    """Write to Ann as the helpdesk does; returns once it has left."""
    lines = [f"From: {BOX}", f"To: {ANN}", "Subject: Order", f"Message-ID: {own}"]
    lines += ["X-Gateway-Conversation-Ref: chat-4711"]
    with smtplib.SMTP("127.0.0.1", gateway.plain, timeout=60) as client:
        client.login("acme.helpdesk", LOGIN)
        client.sendmail(BOX, [ANN], "\r\n".join([*lines, "", "Hello", ""]))
    gateway.wait_for_empty_queue()


def answer_last(world: World, loop: Loop) -> str:
    """Let Ann answer to From, as some programs do; return the Message-ID of what she got."""
    (sent,) = world.upstream.captured
    got = parse_message(apply_edits(sent.content, (Edit("Reply-To", None),)))
    loop.call(world.reply, got.content, "Thank you!", customer=ANN)
    assert got.message_id.endswith("@provider.example>")
    return got.message_id


def write_to_token(world: World, loop: Loop) -> None:
    """Let a colleague of Ann's write afresh to where answers go."""
    (sent,) = world.upstream.captured
    to = parse_message(sent.content).text("Reply-To")
    address = to.partition("<")[2].rstrip(">")
    assert address.startswith("support+c-")
    content = f"From: ben@example.net\r\nTo: {to}\r\nSubject: Other\r\n\r\nHello\r\n"
    loop.call(world.write, content.encode(), mailbox=address, sender="ben@example.net")


def told(world: World, gateway: Gateway, type_: str, *, count: int = 1) -> dict[str, Any]:
    """Return the data of the newest webhook of a type, once there are `count`."""

    def found() -> list[Any]:
        payloads = [one.payload for one in world.helpdesk.received]
        return [one["data"] for one in payloads if one["type"] == type_]

    wait_until(lambda: len(found()) == count, what=gateway.log)
    return dict(found()[-1])
