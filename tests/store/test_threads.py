from __future__ import annotations

from gateway.store import threads
from gateway.store.sqlite import Store
from tests.store.values import NOON


def learn(store: Store, tenant: str, id_: str, conversation: str) -> None:
    store.write_now(
        threads.learn, tenant=tenant, id_=id_, ours="<ours@x.example>",
        conversation=conversation, direction="out", now=NOON,
    )  # fmt: skip


def test_an_id_leads_to_its_conversation_within_its_tenant_only(store: Store) -> None:
    learn(store, "acme", "<theirs@ses>", "C1")
    known = store.read_now(threads.find, tenant="acme", id_="<theirs@ses>")
    assert known is not None
    assert (known.conversation, known.ours) == ("C1", "<ours@x.example>")
    assert store.read_now(threads.find, tenant="beta", id_="<theirs@ses>") is None


def test_what_was_learnt_first_stays(store: Store) -> None:
    learn(store, "acme", "<one@x>", "C1")
    learn(store, "acme", "<one@x>", "C2")
    known = store.read_now(threads.find, tenant="acme", id_="<one@x>")
    assert known is not None
    assert known.conversation == "C1"


def test_peers_are_those_of_one_conversation(store: Store) -> None:
    peers = {"tenant": "acme", "conversation": "C1"}
    store.write_now(threads.add_peers, **peers, addresses=["ann@x.example"])
    assert store.read_now(threads.is_peer, **peers, address="ann@x.example")
    assert not store.read_now(
        threads.is_peer, tenant="acme", conversation="C2", address="ann@x.example"
    )


def test_what_a_helpdesk_calls_a_conversation_is_the_newest_name_of_its_tenant(
    store: Store,
) -> None:
    for ref in ("chat-1", "chat-2"):
        store.write_now(threads.set_ref, tenant="acme", conversation="C1", ref=ref)
    assert store.read_now(threads.ref_of, tenant="acme", conversation="C1") == "chat-2"
    assert store.read_now(threads.ref_of, tenant="beta", conversation="C1") is None


def test_the_newest_mail_of_a_conversation_is_one_that_was_sent(store: Store) -> None:
    learn(store, "acme", "<sent@x>", "C1")
    store.write_now(
        threads.learn, tenant="acme", id_="<got@x>", ours="<got@x>", conversation="C1",
        direction="in", now=NOON,
    )  # fmt: skip
    known = store.read_now(threads.find_newest, tenant="acme", conversation="C1")
    assert known is not None
    assert known.ours == "<ours@x.example>"
    assert store.read_now(threads.find_newest, tenant="beta", conversation="C1") is None
