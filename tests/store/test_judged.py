from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.mail.inbound import Authenticity, AuthResult, Fetched
from gateway.mail.plan import Plan
from gateway.store import inbox, journal, judged, plans, queue, threads
from gateway.store.sqlite import Db, Store
from tests.store.values import NOON, outgoing

PLAN = Plan(effects=(), version="v1")
PROVEN = Authenticity(header_from="ann@x.example", mail_from="bounce@x.example")
MAIL = Fetched(
    id="in-1", tenant="acme", mailbox="support@acme.example", folder="INBOX", uidvalidity=1,
    uid=1, internal_date=NOON, content=b"From: ann@x.example\r\n\r\nHello\r\n",
)  # fmt: skip


def judge(db: Db, fetched: Fetched, *, conversation: str) -> None:
    at = NOON + timedelta(minutes=fetched.uid)
    inbox.store_fetched(db, fetched, now=at)
    inbox.store_plan(db, fetched.id, PROVEN, PLAN, now=at)
    threads.set_conversation(db, fetched.id, conversation)


def test_a_fetched_message_comes_with_what_it_was_judged_by(store: Store) -> None:
    store.write_now(judge, MAIL, conversation="C1")
    store.write_now(judge, replace(MAIL, id="in-2", uid=2), conversation="C1")
    assert store.read_now(judged.last, tenant=None, limit=10) == ["in-2", "in-1"]
    first = store.read_now(judged.load, "in-1")
    second = store.read_now(judged.load, "in-2")
    assert first is not None
    assert second is not None
    assert (first.chain, first.rcpt_to) == ("inbound", ("support@acme.example",))
    assert (first.authenticity, first.plan) == (PROVEN, PLAN)
    assert (first.is_reply, second.is_reply) == (False, True)


def test_the_trace_tells_each_result_and_who_said_what_proves_the_author(store: Store) -> None:
    said = "dkim of x.example, by the seal of list.example (p=none)"
    proven = replace(PROVEN, results=(
        AuthResult(method="arc", result="pass", domain="list.example"),
        AuthResult(method="dmarc", result="fail", by="mx.provider.example"),
        AuthResult(method="dmarc", result="pass", reason=said),
    ))  # fmt: skip
    mail = replace(MAIL, id="IN-1")
    store.write_now(inbox.store_fetched, mail, now=NOON)
    store.write_now(inbox.store_plan, mail.id, proven, PLAN, now=NOON)
    found = store.read_now(journal.timeline, mail.id)
    assert found is not None
    [planned] = [one for one in found.entries if one.event == "message.planned"]
    assert planned.detail["auth"] == {
        "spf": "none", "dkim": "none", "dmarc": "pass", "arc": "pass",
    }  # fmt: skip
    assert planned.detail["auth_reason"] == said


def test_a_submission_comes_with_its_envelope(store: Store) -> None:
    message = outgoing("ann@example.org", "bob@example.org")

    def keep(db: Db) -> None:
        queue.accept(db, message, now=NOON)
        plans.store(db, message.id, PLAN, now=NOON)

    store.write_now(keep)
    store.write_now(queue.accept, outgoing(), now=NOON)  # no policy ran on it
    assert store.read_now(judged.last, tenant="acme", limit=10) == [message.id]
    assert store.read_now(judged.last, tenant="beta", limit=10) == []
    found = store.read_now(judged.load, message.id)
    assert found is not None
    assert found.chain == "outbound"
    assert found.mail_from == "support@acme.example"
    assert found.rcpt_to == ("ann@example.org", "bob@example.org")
