from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.mail.inbound import Authenticity, AuthResult, Fetched
from gateway.mail.plan import Effect, EffectKind, Plan, Step
from gateway.store import inbox, plans, queue, threads
from gateway.store.sqlite import Db
from tests.cli.running import Cli
from tests.store.values import NOON, outgoing

STORED = Plan(effects=(Effect(kind=EffectKind.STORE, target="INBOX"),), version="v1")
MAIL = (
    b"From: ann@customer.example\r\nTo: support@acme.example\r\nSubject: %s\r\n"
    b"X-Gateway-Tags: forged\r\n\r\nHello\r\n"
)
PROVEN = Authenticity(
    results=(AuthResult(method="dkim", result="pass", domain="customer.example"),),
    header_from="ann@customer.example",
)
CHAIN = """
if header :contains "subject" "invoice" { hold "look"; }
if thread "reply" { addflag "follow-up"; }
if exists "X-Gateway-Tags" { discard; }
if not auth "dkim" "pass" { discard; }
"""


def fetch(db: Db, id_: str, subject: bytes, *, uid: int, plan: Plan = STORED) -> None:
    at = NOON + timedelta(minutes=uid)
    fetched = Fetched(
        id=id_, tenant="acme", mailbox="support@acme.example", folder="INBOX", uidvalidity=1,
        uid=uid, internal_date=at, content=MAIL % subject,
    )  # fmt: skip
    inbox.store_fetched(db, fetched, now=at)
    inbox.store_plan(db, id_, PROVEN, plan, now=at)
    threads.set_conversation(db, id_, "one" if uid < 3 else "two")


def test_stored_messages_are_judged_by_the_files_as_they_are_now(cli: Cli) -> None:
    cli.apply()
    (cli.home / "policies" / "inbound").mkdir()
    cli.write("policies/inbound/10.sieve", CHAIN)
    cli.write_store(fetch, "in-1", b"Hello", uid=1)
    cli.write_store(fetch, "in-2", b"Hello again", uid=2)
    cli.write_store(fetch, "in-3", b"Your invoice", uid=3)
    step = Step(file="inbound/10.sieve", line=2, text='hold "look"')
    released = replace(STORED, trace=(step,))
    cli.write_store(fetch, "in-4", b"Our invoice", uid=4, plan=released)
    found = cli.json("policy", "diff")
    assert found["looked_at"] == 4
    assert [(one["id"], one["now"], one["rule"]) for one in found["different"]] == [
        ("in-3", ["hold look"], "inbound/10.sieve:2"),
        ("in-2", ["store INBOX [follow-up]"], "inbound/10.sieve:5"),
    ]
    assert found["different"][0]["before"] == ["store INBOX"]
    assert "2 of 4 messages would be treated otherwise" in cli.say("policy", "diff")
    assert cli.json("policy", "diff", "--last", "1")["looked_at"] == 1


def test_submissions_are_judged_by_the_outbound_files(cli: Cli) -> None:
    cli.apply()
    (cli.home / "policies" / "outbound").mkdir()
    message = outgoing("ann@example.org")

    def keep(db: Db) -> None:
        queue.accept(db, message, now=NOON)
        plans.store(db, message.id, STORED, now=NOON)

    cli.write_store(keep)
    path = cli.write(
        "policies/outbound/10.sieve", 'if envelope "to" "ann@example.org" { keep; }'
    )
    assert cli.json("policy", "diff")["different"] == []
    path.write_text('if envelope "to" "ann@example.org" { reject "no"; }')
    (row,) = cli.json("policy", "diff")["different"]
    assert (row["chain"], row["now"]) == ("outbound", ["reject"])


def test_files_that_do_not_compile_are_refused(cli: Cli) -> None:
    cli.apply()
    (cli.home / "policies" / "inbound").mkdir()
    cli.write("policies/inbound/10.sieve", "kep;")
    cli.write_store(fetch, "in-1", b"Hello", uid=1)
    assert "gateway policy check" in cli.refused("policy", "diff")
