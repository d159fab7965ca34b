"""Mail that nobody should write never stops a mailbox: good mail beside it arrives."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.journeys.customer import Customer
from tests.journeys.test_in import BOX, apply_tenant, wait_until_watched
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import Helpdesk
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

HEAD = f"From: Ann <ann@customer.example>\r\nTo: {BOX}\r\nMIME-Version: 1.0\r\n".encode()
MIXED = b"Content-Type: multipart/mixed; boundary="
REFUSE_POISON = """
CREATE TRIGGER poison BEFORE INSERT ON inbox WHEN NEW.state = 'fetched' AND
    (SELECT instr(bytes, CAST('POISON' AS BLOB)) FROM content WHERE message = NEW.message)
    BEGIN SELECT RAISE(ABORT, 'no'); END
"""


def poisons() -> dict[str, bytes]:
    """Return broken mails by the subject that each of them has."""
    nested = b"".join(MIXED + b"b%d\r\n\r\n--b%d\r\n" % (depth, depth) for depth in range(500))
    bodies = {
        "broken MIME": MIXED + b'"a\r\n\r\n--a\r\nContent-Type: text/\r\n\r\n=?=\xff--a--\r\n',
        "no header end": b"Content-Type: text/plain",
        "forty megabytes": b"\r\n" + b"0123456789abcdef" * 4 + b"\r\n",
        "ten thousand headers": b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(10_000)),
        "NUL": b"X-Zero: a\0b\r\n\r\n\0\0\0\r\n",
        "unknown charset": b'Content-Type: text/plain; charset="klingon"\r\n\r\n\xf8\xe5\r\n',
        "unknown word": b"X-Word: =?klingon?q?=FF?=\r\n\r\nHello\r\n",
        "bad base64": b"Content-Transfer-Encoding: base64\r\n\r\n!\xff=!=\r\n",
        "five hundred parts": nested + b"\r\nHello\r\n",
        "two From": b"From: eve@evil.example\r\n\r\nHello\r\n",
        "comments": b"To: " + b"(" * 20_000 + b"\r\n\r\nHello\r\n",
        "bare returns": b"\r\nHello\rthere\n\nall\r\n",
        "a long line": b"\r\n" + b"x" * 500_000 + b"\r\n",
    }
    bodies["forty megabytes"] *= 40 * 1024 * 1024 // len(bodies["forty megabytes"])
    return {
        subject: HEAD + b"Subject: " + subject.encode() + b"\r\n" + rest
        for subject, rest in bodies.items()
    }


def test_each_poison_is_routed_and_the_good_mail_after_it(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    gateway.start()
    wait_until_watched(gateway)
    customer, bad = Customer(zone), poisons()
    for subject, content in bad.items():
        dovecot.deliver("support", content)
        dovecot.deliver("support", customer.write(to=BOX, subject=f"after {subject}"))
    wanted = {*bad, *(f"after {subject}" for subject in bad)}
    wait_until(lambda: wanted == subjects(helpdesk), what=gateway.log, seconds=120)
    gateway.wait_for_empty_queue()
    assert gateway.json("mailbox", "ledger", BOX)["missing"] == 0
    books = gateway.json("status")["books"]["in"]
    assert (books["fetched"], books["routed"]) == (len(wanted), len(wanted))


def test_what_cannot_be_stored_is_set_aside_with_its_bytes_and_replayed(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    """The store itself refuses one mail, three times; a person mends it and asks again."""
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    gateway.start()
    wait_until_watched(gateway)
    in_store(gateway, REFUSE_POISON)
    customer = Customer(zone)
    for subject in ("before", "POISON", "one", "two", "three", "four"):  # each is a look
        dovecot.deliver("support", customer.write(to=BOX, subject=subject))
        if subject != "POISON":
            wait_until_routed(helpdesk, subject, gateway)
    wait_until(lambda: in_books(gateway, "set_aside") == 1, what=gateway.log, seconds=60)
    [aside] = [
        one
        for one in gateway.json("log", "search", BOX)
        if one["kind"] == "fetched"
        and last_event(gateway, one["id"])["event"] == "message.set_aside"
    ]
    told = last_event(gateway, aside["id"])
    assert "while it was stored" in told["meaning"]
    assert told["fix"].startswith(f"gateway mailbox replay {aside['id']}")
    in_store(gateway, "DROP TRIGGER poison")
    gateway.run("mailbox", "replay", BOX)
    wait_until_routed(helpdesk, "POISON", gateway)
    wait_until(lambda: in_books(gateway, "routed") == 6, what=gateway.log)
    assert in_books(gateway, "set_aside") == 0


def wait_until_routed(helpdesk: Helpdesk, subject: str, gateway: Gateway) -> None:
    wait_until(lambda: subject in subjects(helpdesk), what=gateway.log)


def in_store(gateway: Gateway, statement: str) -> None:
    with closing(sqlite3.connect(gateway.home / "state/gateway.db", timeout=30)) as db:
        db.execute(statement)
        db.commit()


def in_books(gateway: Gateway, entry: str) -> float:
    return gateway.figure("books_total", page="in", entry=entry)


def last_event(gateway: Gateway, id_: str) -> dict[str, Any]:
    [*_, last] = gateway.json("log", "trace", id_)["events"]
    return dict(last)


def subjects(helpdesk: Helpdesk) -> set[str]:
    return {one.payload["data"]["subject"] for one in helpdesk.of_type("message.received")}
