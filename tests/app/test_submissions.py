"""Mail that a helpdesk hands in: whom it tells, who writes to buyers, where answers go."""

from __future__ import annotations

import asyncio
import sqlite3
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.app.foundation import lay_foundation
from gateway.app.policies import open_chains
from gateway.app.submissions import Submissions
from gateway.config import AlertSettings, Settings
from gateway.mail.address import parse_address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.reply import Reply
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import alerts, buyers, people, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store

T = TypeVar("T")
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANN, BEN = "x1@marketplace.amazon.de", "y2@marketplace.amazon.de"
SHOP, OTHER = "shop@qq.com", "other@163.com"
ACME = f"""
tenant = "acme"
[mailboxes."{SHOP}"]
provider = "qq"
[mailboxes."{OTHER}"]
provider = "netease-163"
"""
GLOBEX = """
tenant = "globex"
notify = ["lead@globex.example"]
[senders."desk@globex.example"]
reply_tokens = true
"""
ALERTS = AlertSettings(to=("it@a.example",), sender="gw@a.example", host="127.0.0.1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    seal = Seal.load(tmp_path / "secret.key")
    for text in (ACME, GLOBEX):
        file = read_tenant_file(tomllib.loads(text))
        opened.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    yield opened
    opened.close()


def written(sender: str, *, to: str, tenant: str = "acme") -> Outgoing:
    return Outgoing(
        id=new_id(), tenant=tenant, lane=Lane(tenant, LaneKind.NONE, ""), kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=parse_address("verp@acme.example"),
            recipients=(Recipient(parse_address(to)),),
        ),
        content=(
            f"From: {sender}\r\nTo: {to}\r\nMessage-ID: <1@acme.example>\r\n\r\nHello\r\n"
        ).encode(),
        message_id="<1@acme.example>", header_from=sender,
    )  # fmt: skip


async def with_submissions(
    store: Store, home: Path, work: Callable[[Submissions], Awaitable[T]]
) -> T:
    settings = Settings(path=home / "gateway.conf", alerts=ALERTS)
    base = await lay_foundation(settings, store)
    chains = await open_chains(base)
    submissions = Submissions(base, chains)
    try:
        return await work(submissions)
    finally:
        submissions.close()
        chains.close()


def submit(store: Store, home: Path, sender: str, *, to: str, tenant: str = "acme") -> Reply:
    outgoing = written(sender, to=to, tenant=tenant)

    async def work(submissions: Submissions) -> Reply:
        return await submissions.accept(outgoing, per_hour=None)

    return asyncio.run(with_submissions(store, home, work))


def return_paths(store: Store) -> list[str]:
    def look(db: sqlite3.Connection) -> list[str]:
        return [row[0] for row in db.execute("SELECT return_path FROM message ORDER BY id")]

    return store.read_now(look)


def test_a_buyer_is_written_to_from_the_mailbox_that_the_buyer_wrote_to(
    store: Store, tmp_path: Path
) -> None:
    assert submit(store, tmp_path, OTHER, to=ANN).code == 250  # nothing is known yet
    store.write_now(buyers.learn, tenant="acme", buyer=parse_address(ANN), mailbox=SHOP)
    for buyer in (ANN, BEN):
        refused = submit(store, tmp_path, OTHER, to=buyer)
        assert (refused.code, refused.enhanced) == (550, "5.7.1")
        assert refused.text.endswith(f"write as <{SHOP}>, not as <{OTHER}>")
        assert submit(store, tmp_path, SHOP, to=buyer).code == 250
    assert return_paths(store) == [OTHER, SHOP, SHOP]


def test_of_a_tenant_without_mailboxes_nothing_is_known(store: Store, tmp_path: Path) -> None:
    assert submit(store, tmp_path, OTHER, to=ANN, tenant="globex").code == 250
    assert return_paths(store) == ["verp@acme.example"]


def test_a_policy_tells_whom_it_is_to_of_mail_that_leaves(store: Store, tmp_path: Path) -> None:
    (tmp_path / "policies" / "outbound").mkdir(parents=True)
    policy = tmp_path / "policies" / "outbound" / "10-tell.sieve"
    policy.write_text('notify "mailto:lead@globex.example";')
    assert submit(store, tmp_path, OTHER, to=ANN, tenant="globex").code == 250
    (told,) = store.read_now(alerts.waiting_alerts)
    assert told.recipient == "lead@globex.example"


def test_answers_go_to_a_token_of_the_conversation_where_the_sender_asks_for_it(
    store: Store, tmp_path: Path
) -> None:
    for sender in ("desk@globex.example", "other@globex.example"):
        assert submit(store, tmp_path, sender, to="ann@x.example", tenant="globex").code == 250

    def look(db: sqlite3.Connection) -> list[tuple[str, str]]:
        query = "SELECT edits, conversation FROM message ORDER BY id"
        return [(row[0], row[1]) for row in db.execute(query)]

    (edits, conversation), (others, _) = store.read_now(look)
    assert f"desk+c-{conversation.lower()}-" in edits
    assert "+c-" not in others


def test_of_two_that_are_handed_in_at_once_one_is_the_duplicate(
    store: Store, tmp_path: Path
) -> None:
    """Each was judged before the other was kept: both would have left."""
    (tmp_path / "policies" / "outbound").mkdir(parents=True)
    policy = tmp_path / "policies" / "outbound" / "10-once.sieve"
    policy.write_text('require "duplicate";\nif duplicate { discard; stop; }\n')

    async def twice(submissions: Submissions, outgoing: Outgoing) -> None:
        both = (replace(outgoing, id=new_id()) for _ in range(2))
        replies = await asyncio.gather(
            *(submissions.accept(one, per_hour=None) for one in both)
        )
        assert [one.code for one in replies] == [250, 250]

    outgoing = written("desk@globex.example", to="ann@x.example", tenant="globex")
    asyncio.run(with_submissions(store, tmp_path, lambda one: twice(one, outgoing)))
    found = store.read_now(people.entries, state="cancelled")
    assert len(found) == len(store.read_now(people.entries)) == 1


def test_a_change_of_tenants_between_judgement_and_commit_counts(
    store: Store, tmp_path: Path
) -> None:
    """The mail was admitted while its sender had no upstream: it would wait for ever."""
    changed = GLOBEX + 'upstream = "own"\n[upstreams.own]\nhost = "own.example"\n'
    file, seal = read_tenant_file(tomllib.loads(changed)), Seal.load(tmp_path / "secret.key")
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    desk = "desk@globex.example"
    assert submit(store, tmp_path, desk, to="ann@x.example", tenant="globex").code == 250
    (entry,) = store.read_now(people.entries)
    assert entry.upstream == "own"
    store.write_now(tenants.remove_tenant, "globex", force=True, now=NOON)
    assert submit(store, tmp_path, desk, to="ann@x.example", tenant="globex").code == 451
