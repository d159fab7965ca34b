"""`gateway mailbox ledger` and `replay` beside the running server: gaps are closed."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from tests.journeys.customer import Customer
from tests.journeys.test_mailbox_connect import BOX, CODE, options
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

MAILS = 5


def change(gateway: Gateway, statement: str) -> None:
    database = sqlite3.connect(gateway.home / "state/gateway.db", timeout=20)
    with database:
        database.execute("PRAGMA foreign_keys = ON")
        database.execute(statement)
    database.close()


def held(gateway: Gateway) -> float:
    return gateway.figure("books_total", page="in", entry="held")


def test_a_planted_gap_is_repaired_and_what_was_set_aside_is_judged_again(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, zone: Zone
) -> None:
    dovecot.add_user("support", CODE)
    postfix.add_user("support", CODE)
    gateway.run("tenant", "add", "acme")
    customer = Customer(zone)
    before = datetime.now(UTC) - timedelta(minutes=1)
    dovecot.deliver("support", customer.write(to=BOX, subject="before it"), at=before)
    gateway.start()
    gateway.run("mailbox", "connect", "acme", BOX, *options(gateway, postfix, dovecot))
    wait_until(lambda: "mailbox.connected" in gateway.log(), what=gateway.log)
    for _ in range(MAILS):
        dovecot.deliver("support", customer.write(to=BOX))
    wait_until(lambda: held(gateway) == MAILS, what=gateway.log)
    counts = {"server": MAILS, "known": MAILS, "missing": 0, "fetched": 0}
    assert gateway.json("mailbox", "ledger", BOX) == {"address": BOX, **counts}
    change(gateway, "DELETE FROM message WHERE id IN (SELECT message FROM inbox WHERE uid > 4)")
    found = {"known": MAILS - 2, "missing": 2, "fetched": 2}
    assert gateway.json("mailbox", "ledger", BOX) == {"address": BOX, **counts, **found}
    assert gateway.json("mailbox", "ledger", BOX) == {"address": BOX, **counts}
    wait_until(lambda: held(gateway) == MAILS + 2, what=gateway.log)
    change(gateway, "DELETE FROM effects")
    change(gateway, "UPDATE inbox SET outcome = 'set_aside' WHERE uid = 2")
    replayed = gateway.json("mailbox", "replay", BOX)["replayed"]
    assert len(replayed) == 1
    wait_until(lambda: held(gateway) == MAILS + 3, what=gateway.log)
    names = [one["event"] for one in gateway.json("log", "trace", replayed[0])["events"]]
    assert names.index("message.replayed") < len(names) - 1
    assert names[-1] == "message.held"
