"""A code expires, is deleted, or the service is switched off: seen by IMAP, and by SMTP.

Six mailboxes die at once, each its own death. Their owner is told of each once, what is to
leave waits, and a new code brings everything: what waited, and what was missed.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from gateway.sandbox.misbehaviour import Misbehaviour, Phase
from gateway.sandbox.quirks import Quirks
from gateway.sandbox.upstream import Upstream, UpstreamSettings
from gateway.sandbox.world import World, WorldSettings, open_world
from tests.sandbox.conftest import Loop, loop
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.webhook import SECRET

__all__ = ["loop"]

OLD, NEW, LOGIN = "the-old-code", "the-new-code", "a-password-of-the-helpdesk"
QQ_ANY = (
    "Account is abnormal, service is not open, password is incorrect, login frequency limited,"
    " or system is busy"
)
WRONG = "LOGIN Login error or password error"
DEATHS = {  # by the mailbox: what IMAP and SMTP say in the words of its provider
    "expired@163.com": (WRONG, "535 Error: authentication failed"),
    "deleted@qq.com": ("Authorized code is incorrect", f"535 {QQ_ANY}"),
    "off@163.com": (WRONG, "550 User has no permission"),
}
TENANT = """
tenant = "acme"
owner = "it@acme.example"
route = "helpdesk"
[routes.helpdesk]
type = "webhook"
url = "{hook}"
secret_file = "hook"
[credentials.helpdesk]
password_file = "login"
"""
MAILBOX = """
[senders."{address}"]
upstream = "{name}"
[upstreams.{name}]
mailbox = "{address}"
host = "127.0.0.1"
port = {smtp}
security = "none"
[mailboxes."{address}"]
provider = "{provider}"
host = "127.0.0.1"
port = {imap}
security = "none"
upstream = "{name}"
password_file = "code"
"""


@dataclass(frozen=True)
class Box:
    """One mailbox, and the upstream that its account sends by."""

    address: str
    seen_by_imap: bool
    codes: dict[str, str]
    upstream: Upstream

    @property
    def death(self) -> tuple[str, str]:
        return DEATHS[self.address.partition("-")[2]]

    def die(self, world: World) -> None:
        """Its sign-in is refused from now on; IMAP may stay open beyond that."""
        imap, smtp = self.death
        self.upstream.misbehaviour = Misbehaviour(at={Phase.AUTH: smtp})
        if self.seen_by_imap:
            world.mailboxes.account(self.address).quirks = Quirks(refuse_login=imap)

    def heal(self, world: World) -> None:
        """Its owner made a new code."""
        account = world.mailboxes.account(self.address)
        account.quirks, account.password = None, NEW
        self.upstream.misbehaviour = Misbehaviour()
        self.codes[self.address] = NEW


@pytest.fixture
def world(loop: Loop, tmp_path: Path) -> Iterator[World]:
    opened = open_world(WorldSettings(directory=tmp_path, hook_secret=SECRET))
    yield loop.run(opened.__aenter__())
    loop.run(opened.__aexit__(None, None, None))


@pytest.fixture
def boxes(loop: Loop, world: World) -> Iterator[list[Box]]:
    made = []
    for by_imap in (True, False):
        for death in DEATHS:
            address = f"{'imap' if by_imap else 'smtp'}-{death}"
            codes = {address: OLD}
            box = Box(address, by_imap, codes, Upstream(UpstreamSettings(accounts=codes)))
            loop.run(box.upstream.start())
            loop.call(world.mailboxes.add_account, address, OLD)
            made.append(box)
    yield made
    for box in made:
        loop.run(box.upstream.stop())


@pytest.fixture
def gateway(world: World) -> Iterator[Gateway]:
    more = (
        f'[dns]\nnameservers = ["127.0.0.1:{world.zone.port}"]\n'
        '[mailboxes]\ndead_after = "1s"\nlogin_waits = ["1s"]\n'
    )
    server = Gateway(more=more, workers=1)
    yield server
    server.close()


def test_each_death_is_told_once_and_a_new_code_brings_everything(
    gateway: Gateway, world: World, boxes: list[Box], loop: Loop
) -> None:
    apply(gateway, world, boxes)
    gateway.start()
    wait_until(lambda: states(gateway) == {"ok"}, what=gateway.log)
    gateway.stop()
    for box in boxes:
        loop.call(box.die, world)
        loop.call(world.write, letter(box), mailbox=box.address, sender="ann@example.net")
    gateway.start()
    for box in boxes:
        if not box.seen_by_imap:
            submit(gateway, box)
    wait_until(lambda: len(reminders(world)) == len(boxes), what=gateway.log, seconds=60)
    for box in boxes:
        if box.seen_by_imap:
            submit(gateway, box)
    wait_until(lambda: paused(gateway) == len(boxes), what=gateway.log)
    assert [one for box in boxes for one in box.upstream.captured] == []
    links = reminders(world)
    for box in boxes:
        loop.call(box.heal, world)
        page = httpx.post(links[box.address], data={"code": NEW}, timeout=60)
        assert "is in use" in page.text
    wait_until(lambda: all(len(box.upstream.captured) == 1 for box in boxes), what=gateway.log)
    wait_until(lambda: received(world) == sorted(links), what=gateway.log)
    gateway.wait_for_empty_queue()
    assert reminders(world) == links


def apply(gateway: Gateway, world: World, boxes: list[Box]) -> None:
    text = TENANT.format(hook=world.helpdesk.url)
    for box in boxes:
        name = box.address.partition("@")[0]
        provider = "qq" if "@qq." in box.address else "netease-163"
        text += MAILBOX.format(
            address=box.address, name=name, provider=provider, smtp=box.upstream.port,
            imap=world.mailboxes.port,
        )  # fmt: skip
    gateway.apply(text, hook=SECRET, login=LOGIN, code=OLD)


def letter(box: Box) -> bytes:
    return (
        f"From: ann@example.net\r\nTo: {box.address}\r\nSubject: {box.address}\r\n"
        f"Message-ID: <{box.address}>\r\n\r\nWhere is my order?\r\n"
    ).encode()


def submit(gateway: Gateway, box: Box) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = box.address, "ann@example.net", "Your order"
    mail.set_content("On its way.")
    with smtplib.SMTP("127.0.0.1", gateway.plain, timeout=60) as client:
        client.login("acme.helpdesk", LOGIN)
        client.send_message(mail)


def states(gateway: Gateway) -> set[str]:
    return {one["state"] for one in gateway.json("mailbox", "list")}


def paused(gateway: Gateway) -> int:
    return [one["state"] for one in gateway.json("upstream", "list")].count("paused")


def reminders(world: World) -> dict[str, str]:
    """Return the link of each mailbox that was reminded of; fails where it was twice."""
    told = [one.payload for one in world.helpdesk.received]
    dead = [one["data"] for one in told if one["data"].get("reminder") == "dead"]
    links = {one["mailbox"]: one["renew_url"] for one in dead}
    assert len(links) == len(dead)
    return links


def received(world: World) -> list[str]:
    told = [one.payload for one in world.helpdesk.received]
    return sorted(one["data"]["mailbox"] for one in told if one["type"] == "message.received")
