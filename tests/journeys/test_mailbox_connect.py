"""`gateway mailbox connect` against real servers: proven, then saved, then watched."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest

from tests.journeys.customer import Customer
from tests.journeys.test_in import RECEIVED, write_policy
from tests.journeys.test_upstream_add import converse
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

BOX = "support@acme.example"
CODE = "the-mailbox-password"


def options(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, *, code: str = CODE
) -> list[str]:
    file = gateway.home / "code"
    file.write_text(code)
    authorities = gateway.home / "authorities.pem"
    authorities.write_bytes(postfix.ca_file.read_bytes() + dovecot.ca_file.read_bytes())
    return [
        "--host", "localhost", "--port", str(dovecot.imaps_port), "--security", "tls",
        "--smtp-host", "localhost", "--smtp-port", str(postfix.port),
        "--smtp-security", "starttls", "--username", "support",
        "--ca-file", str(authorities), "--password-file", str(file),
    ]  # fmt: skip


def test_a_connected_mailbox_is_watched_at_once(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, zone: Zone
) -> None:
    dovecot.add_user("support", CODE)
    postfix.add_user("support", CODE)
    gateway.run("tenant", "add", "acme")
    gateway.start()
    words = options(gateway, postfix, dovecot)
    done = gateway.run("mailbox", "connect", "acme", BOX, *words, "--json")
    assert "[alerts] is left out: nobody is told" in done.stderr
    connected = json.loads(done.stdout)
    assert (connected["ok"], connected["sends"]) == (True, True)
    names = [one["step"] for one in connected["steps"]]
    assert names[:4] == ["imap connect", "imap login", "imap id", "imap select"]
    assert names[-2:] == ["auth", "mail"]
    wait_until(
        lambda: gateway.json("mailbox", "list")[0]["state"] == "ok",
        what=lambda: f"the mailbox\n{gateway.log()}",
    )
    assert gateway.json("mailbox", "list")[0]["answers"] is False
    dovecot.deliver("support", Customer(zone).write(to=BOX))
    wait_until(
        lambda: gateway.figure("books_total", page="in", entry="fetched") == 1,
        what=lambda: f"the mail\n{gateway.log()}",
    )


def test_what_came_between_the_connection_and_the_first_sign_in_is_fetched(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, zone: Zone
) -> None:
    """Though the server's clock may be a minute behind ours; by the code that was proven, also
    where a file brought one that nobody has tried."""
    dovecot.add_user("support", CODE)
    postfix.add_user("support", CODE)
    gateway.run("tenant", "add", "acme")
    earlier, later = (Customer(zone).write(to=BOX) for _ in range(2))
    before = datetime.now(UTC) - timedelta(minutes=1)
    dovecot.deliver("support", earlier, at=before)
    gateway.run("mailbox", "connect", "acme", BOX, *options(gateway, postfix, dovecot))
    (known,) = gateway.json("mailbox", "list")
    assert (known["state"], known["reason"], known["fix"]) == ("ok", None, None)
    section = f'[mailboxes."{BOX}"]\n'
    file = gateway.run("export", "acme").stdout
    gateway.apply(file.replace(section, f'{section}password_file = "new"\n'), new="untested")
    dovecot.deliver("support", later, at=before)
    gateway.start()
    wait_until(lambda: gateway.json("log", "search", BOX), what=gateway.log)
    counts = {"server": 1, "known": 1, "missing": 0, "fetched": 0}
    assert gateway.json("mailbox", "ledger", BOX) == {"address": BOX, **counts}
    (found,) = gateway.json("log", "search", BOX)
    assert found["message_id"] == message_from_bytes(later, policy=default)["Message-ID"]


def test_nothing_is_saved_before_both_ways_are_proven(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot
) -> None:
    dovecot.add_user("support", CODE)
    gateway.run("tenant", "add", "acme")
    words = options(gateway, postfix, dovecot, code="a-wrong-code")
    done = gateway.run("mailbox", "connect", "acme", BOX, *words, check=False)
    assert (done.returncode, "was not saved" in done.stderr) == (1, True)
    assert "imap login" in done.stdout
    assert "fix:" in done.stdout
    assert "a-wrong-code" not in done.stdout + done.stderr
    words = options(gateway, postfix, dovecot)
    done = gateway.run("mailbox", "connect", "acme", BOX, *words, "--json", check=False)
    assert done.returncode == 1
    assert '"step": "auth",\n      "ok": false' in done.stdout
    assert gateway.json("mailbox", "list") == []


def test_an_address_belongs_to_one_tenant(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot
) -> None:
    dovecot.add_user("support", CODE)
    postfix.add_user("support", CODE)
    for tenant in ("acme", "other"):
        gateway.run("tenant", "add", tenant)
    words = options(gateway, postfix, dovecot)
    gateway.run("mailbox", "connect", "acme", BOX, *words)
    taken = gateway.run("mailbox", "connect", "other", BOX, *words, check=False)
    assert "belongs to the tenant acme already" in taken.stderr
    again = gateway.run("mailbox", "connect", "acme", BOX, *words, check=False)
    assert f"gateway mailbox reauth {BOX}" in again.stderr


def test_the_dialogue_asks_and_answers_nobody_by_surprise(
    gateway: Gateway, dovecot: Dovecot
) -> None:
    dovecot.add_user("support", CODE)
    gateway.run("tenant", "add", "acme")
    said = converse(
        gateway,
        ["mailbox", "connect", "acme", "--ca-file", str(dovecot.ca_file)],
        [
            ("Address", BOX),
            ("Provider (gateway provider list), amazon, or generic [generic]", "Amazon"),
            ("Provider of the mailbox itself, or generic [generic]", "amazon"),
            ("'amazon' is where buyers write; name the provider of the mailbox", ""),
            ("IMAP host", "localhost"),
            ("IMAP port [993]", str(dovecot.imaps_port)),
            ("IMAP security [starttls]", "tls"),
            ("User name [support@acme.example]", "support"),
            ("SMTP host, empty when it only receives", ""),
            ("Fetch mail from now on, or of the last days, as 30d [now]", "last week"),
            ("is not a beginning", "7d"),
            ("Answer automatically? [no]", ""),
            ("Password", CODE),
        ],
    )
    assert f"{BOX}: connected, 0 messages in INBOX; mail is fetched from now on, and" in said
    assert f"{BOX} has no way to send" in said
    assert f"Amazon buyer-seller messages: set {BOX} in Seller Central" in said
    assert "[alerts] is left out: nobody is told of what needs a person" in said
    assert "lead nowhere for others" in said
    assert CODE not in said
    mailbox = gateway.json("export", "acme")["mailboxes"][BOX]
    assert (mailbox["fetch_from"], mailbox["answers"]) == ("7d", False)


def test_an_answer_by_the_mailboxs_own_account_lies_once_in_its_sent_folder(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, zone: Zone
) -> None:
    dovecot.add_user("support", CODE)
    postfix.add_user("support", CODE)
    write_policy(gateway, RECEIVED)
    gateway.run("tenant", "add", "acme")
    gateway.start()
    words = options(gateway, postfix, dovecot)
    gateway.run("mailbox", "connect", "acme", BOX, "--answers", *words)
    wait_until(lambda: "mailbox.connected" in gateway.log(), what=gateway.log)
    dovecot.deliver("support", Customer(zone).write(to=BOX))
    wait_until(postfix.delivered, what=gateway.log)
    wait_until(lambda: dovecot.contents("support", "Sent"), what=gateway.log)
    gateway.wait_for_empty_queue()
    (sent,) = dovecot.contents("support", "Sent")
    (left,) = postfix.delivered()
    copy, answer = (message_from_bytes(one, policy=default) for one in (sent, left))
    assert copy["Message-ID"] == answer["Message-ID"]
    assert copy["To"] == Customer.address
    books = gateway.json("status")["books"]
    assert (books["out"]["delivered"], books["sent"]["delivered"]) == (1, 1)
