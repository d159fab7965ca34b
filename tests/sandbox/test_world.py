"""The customer's world: what leaves lands, what is written arrives."""

import smtplib
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from gateway.mail.message import parse_message
from gateway.sandbox.folders import SENT
from gateway.sandbox.misbehaviour import Misbehaviour
from gateway.sandbox.world import World, WorldSettings, make_reply, open_world

SHOP, ANN = "support@acme.example", "ann@example.net"
MAIL = (
    b"From: Acme Support <support@acme.example>\r\nTo: ann@example.net\r\n"
    b"Subject: Your order\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@acme.example>\r\n\r\nIt is on its way.\r\n"
)


@pytest.fixture
def world(loop: Any, tmp_path: Path) -> Iterator[World]:
    opened = open_world(WorldSettings(directory=tmp_path))
    entered: World = loop.run(opened.__aenter__())
    loop.call(entered.mailboxes.add_account, SHOP, "s")
    loop.call(entered.mailboxes.add_account, ANN, "a")
    yield entered
    loop.run(opened.__aexit__(None, None, None))


def send(world: World, recipient: str = ANN) -> None:
    with smtplib.SMTP("127.0.0.1", world.upstream.port, timeout=30) as client:
        client.login("u", "p")
        client.sendmail(SHOP, [recipient], MAIL)


def inbox(world: World, address: str) -> list[bytes]:
    return [letter.content for letter in world.mailboxes.folder(address).letters]


def test_what_leaves_lands_in_the_customers_mailbox(world: World) -> None:
    send(world)
    (landed,) = inbox(world, ANN)
    assert landed.endswith(MAIL)
    assert landed.startswith(b"Return-Path: <support@acme.example>\r\nReceived: from acme.ex")


def test_mail_to_somebody_without_a_mailbox_is_captured_alone(world: World) -> None:
    send(world, "bob@elsewhere.example")
    assert len(world.upstream.captured) == 1
    assert not len(world.mailboxes.delivered)


def test_a_provider_that_keeps_what_was_sent_keeps_it_as_it_left(world: World) -> None:
    send(world)
    world.mailboxes.add_account("u", "p")
    world.saves_sent = True
    world.upstream.misbehaviour = Misbehaviour(rewrite_message_id="provider.example")
    send(world)
    (kept,) = world.mailboxes.folder("u", SENT).letters
    assert kept.content == [*world.upstream.captured][1].content
    assert b"@provider.example>" in kept.content


def test_a_customers_reply_lands_in_the_tenants_mailbox(world: World, loop: Any) -> None:
    send(world)
    (landed,) = inbox(world, ANN)
    loop.call(world.reply, landed, "Thank you!", customer=ANN)
    (content,) = inbox(world, SHOP)
    reply = parse_message(content)
    assert reply.text("In-Reply-To") == reply.text("References") == "<1@acme.example>"
    assert (reply.text("Subject"), reply.text("From")) == ("Re: Your order", ANN)
    assert reply.text("Return-Path") == f"<{ANN}>"
    assert b"Thank you!\r\n" in content
    assert b"> It is on its way." in content


def test_an_expired_code_is_refused_both_ways_until_there_is_a_new_one(
    loop: Any, tmp_path: Path
) -> None:
    opened = open_world(WorldSettings(directory=tmp_path, logins={SHOP: "old", "else": "e"}))
    world: World = loop.run(opened.__aenter__())
    loop.call(world.mailboxes.add_account, SHOP, "old")
    smtp = smtplib.SMTP("127.0.0.1", world.upstream.port, timeout=30)
    smtp.login(SHOP, "old")
    imap: Any = IMAPClient("127.0.0.1", world.mailboxes.port, ssl=False, timeout=30)
    imap.login(SHOP, "old")
    imap.select_folder("INBOX")
    loop.run(world.end_code(SHOP))
    with pytest.raises(IMAPClientError):
        imap.noop()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.noop()
    assert may_send(world, SHOP, "old") is False
    assert may_send(world, "else", "e") is True
    assert isinstance(world.mailboxes.sign_in(SHOP, "old"), str)
    loop.call(world.make_code, SHOP, "new")
    assert [may_send(world, SHOP, one) for one in ("old", "new")] == [False, True]
    assert not isinstance(world.mailboxes.sign_in(SHOP, "new"), str)
    loop.run(opened.__aexit__(None, None, None))


def may_send(world: World, user: str, password: str) -> bool:
    with smtplib.SMTP("127.0.0.1", world.upstream.port, timeout=30) as client:
        try:
            client.login(user, password)
        except smtplib.SMTPAuthenticationError:
            return False
    return True


def test_a_reply_is_signed_by_the_key_given(world: World, loop: Any) -> None:
    def sign(content: bytes) -> bytes:
        return b"DKIM-Signature: v=1; d=example.net\r\n" + content

    loop.call(world.reply, MAIL, "Thank you!", customer=ANN, sign=sign)
    (content,) = inbox(world, SHOP)
    fields = [field.name for field in parse_message(content).fields]
    assert fields[:4] == ["Return-Path", "Received", "DKIM-Signature", "Date"]


def test_a_reply_to_a_mailbox_that_is_not_there_is_refused(world: World, loop: Any) -> None:
    with pytest.raises(LookupError, match="no account"):
        loop.call(world.reply, MAIL.replace(b"support@", b"sales@"), "Hi", customer=ANN)


def test_a_reply_answers_reply_to_and_extends_references() -> None:
    original = parse_message(
        b"Reply-To: desk@acme.example\r\nReferences: <0@acme.example>\r\nSubject: RE: x\r\n"
        + MAIL
    )
    reply = message_from_bytes(make_reply(original, "你好", customer=ANN), policy=default)
    assert (reply["To"], reply["Subject"]) == ("desk@acme.example", "RE: x")
    assert reply["References"] == "<0@acme.example> <1@acme.example>"
    body = reply.get_body()
    assert body is not None
    assert body.get_content().startswith("你好\r\n")
