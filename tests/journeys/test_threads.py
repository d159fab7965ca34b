"""An upstream that writes its own Message-IDs, as Amazon SES does: threads stay whole.

The helpdesk here knows nothing of the gateway. It finds a ticket by the Message-ID that it
gave its own mail, as it stands in In-Reply-To of what comes in.
"""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from threading import Thread
from typing import Any

import pytest

from gateway.sandbox.misbehaviour import Misbehaviour
from gateway.sandbox.upstream import Upstream, UpstreamSettings
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.webhook import SECRET, Helpdesk

pytestmark = pytest.mark.servers

PASSWORD = "a-long-submission-password"
SHARES = {"acme": 8, "globex": 7}  # 15 conversations of four mails
TENANT = """
tenant = "{name}"
route = "helpdesk"
[domains."{name}.example"]
[senders."support@{name}.example"]
upstream = "ses"
[upstreams.ses]
provider = "ses"
host = "127.0.0.1"
port = {smtp}
security = "none"
username = "AKIA"
password_file = "upstream-password"
[mailboxes."support@{name}.example"]
host = "localhost"
port = {imap}
security = "tls"
username = "{name}"
password_file = "mailbox-password"
ca_file = "{ca_file}"
[routes.helpdesk]
type = "webhook"
url = "{hook}"
secret_file = "hook-secret"
[credentials.desk]
password_file = "submission-password"
"""


@dataclass(slots=True)
class Ticket:
    """A conversation as the helpdesk has it."""

    customer: str
    ids: list[str] = field(default_factory=list)  # of its mails, in both directions
    conversations: set[str] = field(default_factory=set)  # as the gateway names it


@dataclass(slots=True)
class Desk:
    """One tenant's helpdesk: it writes by SMTP and reads its webhooks."""

    name: str
    hooks: Helpdesk
    gateway: Gateway
    tickets: list[Ticket]
    lost: list[dict[str, Any]] = field(default_factory=list)  # mail without a ticket
    seen: int = 0

    def write_to_all(self, turn: int) -> None:
        """Send the next mail of every ticket."""
        with smtplib.SMTP("127.0.0.1", self.gateway.plain, timeout=60) as client:
            client.login(f"{self.name}.desk", PASSWORD)
            for number, ticket in enumerate(self.tickets):
                own = f"<desk-{number}-{turn}@{self.name}.example>"
                content = write(
                    f"support@{self.name}.example", ticket.customer, own, ticket.ids
                )
                client.sendmail(f"support@{self.name}.example", [ticket.customer], content)
                ticket.ids.append(own)

    def read(self) -> int:
        """File what came by In-Reply-To alone; return how much has come so far."""
        received = self.hooks.of_type("message.received")
        for one in received[self.seen :]:
            data = one.payload["data"]
            found = [each for each in self.tickets if data["in_reply_to"] in each.ids]
            if found:
                found[0].ids.append(data["message_id"])
                found[0].conversations.add(data["conversation"])
            else:
                self.lost.append(data)
        self.seen = len(received)
        return self.seen

    def read_until(self, count: int) -> None:
        """File what comes until so much has come in all."""
        wait_until(lambda: self.read() == count, what=self.gateway.log)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A provider that rewrites every Message-ID and says the left part of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = Upstream(UpstreamSettings())
    server.misbehaviour = Misbehaviour(rewrite_message_id="eu-west-1.amazonses.com")
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(60)
    yield server
    asyncio.run_coroutine_threadsafe(server.stop(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(60)
    loop.close()


@pytest.fixture
def desks(gateway: Gateway, dovecot: Dovecot, upstream: Upstream) -> Iterator[list[Desk]]:
    """Two tenants that write to the same customers by the same provider."""
    secrets = {
        "upstream-password": "key",
        "mailbox-password": "the-mailbox-password",
        "hook-secret": SECRET,
        "submission-password": PASSWORD,
    }
    desks: list[Desk] = []
    for name, share in SHARES.items():
        dovecot.add_user(name, "the-mailbox-password")
        tickets = [Ticket(f"customer{number}@example.org") for number in range(share)]
        desks.append(Desk(name, Helpdesk(), gateway, tickets))
        keys = {"smtp": upstream.port, "imap": dovecot.imaps_port, "ca_file": dovecot.ca_file}
        file = TENANT.format(name=name, hook=desks[-1].hooks.url, **keys)
        gateway.apply(file, **secrets)
    gateway.start()
    wait_until(lambda: gateway.log().count("mailbox.connected") == len(desks), what=gateway.log)
    yield desks
    for one in desks:
        one.hooks.close()


def test_a_helpdesk_threads_what_an_upstream_renamed_and_nothing_crosses_tenants(
    gateway: Gateway, dovecot: Dovecot, upstream: Upstream, desks: list[Desk]
) -> None:
    for turn in (1, 2):
        for desk in desks:
            desk.write_to_all(turn)
        wait_until_sent(upstream, turn * sum(SHARES.values()), gateway)
        answer_all(upstream, dovecot, turn=turn)
        for desk in desks:
            desk.read_until(turn * len(desk.tickets))
    for desk in desks:
        assert desk.lost == []
        assert [len(one.ids) for one in desk.tickets] == [4] * len(desk.tickets)
        conversations = [one.conversations for one in desk.tickets]
        assert [len(one) for one in conversations] == [1] * len(desk.tickets)
        assert len(set.union(*conversations)) == len(desk.tickets)
    _write_across(upstream, dovecot, desks, gateway)


def _write_across(
    upstream: Upstream, dovecot: Dovecot, desks: list[Desk], gateway: Gateway
) -> None:
    """A customer of both answers to the one what the other wrote: it is a new conversation."""
    acme, globex = desks
    renamed = next(one for one in captured(upstream) if "acme" in one["From"])
    content = write(
        renamed["To"], "support@globex.example", "<x@x.org>", [renamed["Message-ID"]]
    )
    dovecot.deliver("globex", content)
    wait_until(lambda: (globex.read(), globex.lost)[1], what=gateway.log)
    [lost] = globex.lost
    assert lost["in_reply_to"] == renamed["Message-ID"]
    known = [each for desk in desks for one in desk.tickets for each in one.conversations]
    assert lost["conversation"] not in known
    assert acme.read() == 2 * len(acme.tickets)


def answer_all(upstream: Upstream, dovecot: Dovecot, *, turn: int) -> None:
    """Write a customer's answer to each mail of this turn, which names the renamed id."""
    for number, mail in enumerate(captured(upstream)):
        if f"-{turn}@" not in mail["X-Desk"]:
            continue
        assert mail["Message-ID"].endswith("@eu-west-1.amazonses.com>")
        refers = [*mail.get("References", "").split(), mail["Message-ID"]]
        own = f"<answer-{turn}-{number}@example.org>"
        box = mail["From"].partition("@")[2].partition(".")[0]
        dovecot.deliver(box, write(mail["To"], mail["From"], own, refers))


def wait_until_sent(upstream: Upstream, count: int, gateway: Gateway) -> None:
    wait_until(lambda: len(upstream.captured) == count, what=gateway.log)
    gateway.wait_for_empty_queue()


def captured(upstream: Upstream) -> list[Any]:
    return [message_from_bytes(one.content) for one in upstream.captured]


def write(sender: str, to: str, own: str, refers: list[str]) -> bytes:
    lines = [f"From: {sender}", f"To: {to}", "Subject: Order", f"Message-ID: {own}"]
    if refers:
        lines += [f"In-Reply-To: {refers[-1]}", f"References: {' '.join(refers)}"]
    lines += [f"X-Desk: {own}", "", "Hello", ""]
    return "\r\n".join(lines).encode()
