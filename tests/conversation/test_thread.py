"""Conversations by the ids of their mails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.conversation.thread import (
    NONE_GIVEN,
    Thread,
    ids_of,
    learn_rewritten,
    take_in,
    take_out,
)
from gateway.conversation.token import Given
from gateway.mail.address import Address
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.inbound import Fetched
from gateway.mail.message import apply_edits, parse_message
from gateway.store import inbox, journal, queue
from gateway.store.sqlite import Db, Store

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
uids = iter(range(1, 1000))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def header(message_id: str, replies: str = "", *, sender: str, to: str) -> bytes:
    fields = f"From: {sender}\r\nTo: {to}\r\nMessage-ID: {message_id}\r\n"
    if replies:
        fields += f"In-Reply-To: {replies.rsplit(maxsplit=1)[-1]}\r\nReferences: {replies}\r\n"
    return (fields + "\r\nHello\r\n").encode()


def send(store: Store, message_id: str, replies: str = "", *, tenant: str = "acme") -> str:
    """The helpdesk writes to Ann."""
    content = header(message_id, replies, sender="shop@acme.example", to="Ann@example.org")
    outgoing = Outgoing(
        id=new_id(),
        tenant=tenant,
        lane=Lane(tenant, LaneKind.UPSTREAM, "own"),
        kind=Kind.SUBMISSION,
        envelope=Envelope(
            return_path=None, recipients=(Recipient(Address("ann", "example.org")),)
        ),
        content=content,
        message_id=message_id,
        header_from="shop@acme.example",
    )

    def work(db: Db) -> str:
        queue.accept(db, outgoing, now=NOON)
        return take_out(db, outgoing, now=NOON)

    return store.write_now(work)


def receive(
    store: Store,
    message_id: str,
    replies: str = "",
    *,
    sender: str = "ann@example.org",
    tenant: str = "acme",
    to: str = "shop@acme.example",
    given: Given = NONE_GIVEN,
) -> tuple[Fetched, Thread]:
    content = header(message_id, replies, sender=sender, to=to)
    fetched = Fetched(
        id=new_id(), tenant=tenant, mailbox="shop@acme.example", folder="INBOX",
        uidvalidity=1, uid=next(uids), internal_date=NOON, content=content,
    )  # fmt: skip
    store.write_now(inbox.store_fetched, fetched, now=NOON)
    return fetched, store.write_now(take_in, fetched, sender=sender, given=given, now=NOON)


def events(store: Store, fetched: Fetched) -> list[str]:
    found = store.read_now(journal.timeline, fetched.id)
    return [one.event for one in found.entries] if found else []


def test_a_first_mail_opens_a_conversation_and_the_next_belongs_to_it(store: Store) -> None:
    _, first = receive(store, "<1@x>")
    assert not first.is_reply
    assert send(store, "<2@desk>", "<1@x>") == first.conversation
    _, second = receive(store, "<3@x>", "<1@x> <2@desk>")
    assert (second.conversation, second.is_reply) == (first.conversation, True)
    assert (first.sequence, second.sequence) == (1, 3)


def test_asked_again_it_says_the_same(store: Store) -> None:
    fetched, first = receive(store, "<1@x>")
    again = store.write_now(take_in, fetched, sender="ann@example.org", now=NOON)
    assert again == first


def test_the_id_that_an_upstream_wrote_is_mapped_back(store: Store) -> None:
    conversation = send(store, "<ours@desk>")
    learn = {"tenant": "acme", "ours": "<ours@desk>", "theirs": "<theirs@ses>"}
    assert store.write_now(learn_rewritten, now=NOON, **learn)
    fetched, thread = receive(store, "<1@x>", "<0@x> <theirs@ses>")
    assert (thread.conversation, thread.is_reply) == (conversation, True)
    message = parse_message(apply_edits(fetched.content, thread.edits))
    assert message.text("In-Reply-To") == "<ours@desk>"
    assert message.text("References").split() == ["<0@x>", "<ours@desk>"]


@pytest.mark.parametrize("domain", ["eu-west-1.amazonses.com", "email.amazonses.com"])
def test_of_a_bare_id_the_domain_does_not_matter(store: Store, domain: str) -> None:
    """Amazon SES says `250 Ok 0100...`, and writes the domain of its region behind it."""
    bare = "0100018f2f3c4d5e-aaaa-bbbb-000000"
    conversation = send(store, "<ours@desk>")
    assert store.write_now(
        learn_rewritten, tenant="acme", ours="<ours@desk>", theirs=bare, now=NOON
    )
    fetched, thread = receive(store, "<1@x>", f"<{bare}@{domain}>")
    assert thread.conversation == conversation
    message = parse_message(apply_edits(fetched.content, thread.edits))
    assert message.text("References") == "<ours@desk>"
    assert not receive(store, "<1@x>", f"<{bare}@{domain}>", tenant="other")[1].is_reply


def test_a_queue_id_is_too_short_to_be_a_messages(store: Store) -> None:
    send(store, "<ours@desk>")
    assert not store.write_now(
        learn_rewritten, tenant="acme", ours="<ours@desk>", theirs="4XyZ12abc", now=NOON
    )


def test_where_no_id_was_rewritten_nothing_is_edited(store: Store) -> None:
    send(store, "<ours@desk>")
    assert receive(store, "<1@x>", "<ours@desk>")[1].edits == ()


def test_a_stranger_who_names_an_id_opens_a_conversation_of_their_own(store: Store) -> None:
    conversation = send(store, "<ours@desk>")
    store.write_now(
        learn_rewritten, tenant="acme", ours="<ours@desk>", theirs="<theirs@ses>", now=NOON
    )
    _, thread = receive(store, "<1@x>", "<theirs@ses>", sender="eve@evil.example")
    assert thread.conversation != conversation
    assert (thread.is_reply, thread.edits) == (False, ())
    assert (thread.linked, thread.sequence) == (conversation, 1)


def test_a_bounce_belongs_where_the_mail_does_that_it_gives_back(store: Store) -> None:
    conversation = send(store, "<ticket-1@desk>")
    learn = {"tenant": "acme", "ours": "<ticket-1@desk>", "theirs": "<by-the-upstream@x>"}
    assert store.write_now(learn_rewritten, now=NOON, **learn)
    fetched, first = receive(store, "<b@mx>", sender="mailer-daemon@mx.example")
    assert first.conversation != conversation
    given_back = ["<of-nobody@x>", "<by-the-upstream@x>"]
    thread = store.write_now(
        take_in, fetched, sender="mailer-daemon@mx.example", now=NOON, returned=given_back
    )
    assert (thread.conversation, thread.is_reply) == (conversation, True)
    message = parse_message(apply_edits(fetched.content, thread.edits))
    assert [message.text(name) for name in ("In-Reply-To", "References")] == [
        "<ticket-1@desk>",
        "<ticket-1@desk>",
    ]
    _, later = receive(store, "<c@mx>", "<ticket-1@desk>", sender="mailer-daemon@mx.example")
    assert not later.is_reply


def test_nothing_crosses_tenants(store: Store) -> None:
    conversation = send(store, "<ours@desk>")
    _, thread = receive(store, "<1@x>", "<ours@desk>", tenant="other")
    assert thread.conversation != conversation
    assert not thread.is_reply


def test_an_id_that_we_never_sent_is_not_learnt(store: Store) -> None:
    assert not store.write_now(
        learn_rewritten, tenant="acme", ours="<never@desk>", theirs="<t@ses>", now=NOON
    )


@pytest.mark.parametrize("message_id", ["", "no brackets", "<\xff>", "<" + "x" * 999 + ">"])
def test_a_broken_id_is_not_learnt_and_breaks_nothing(store: Store, message_id: str) -> None:
    _, first = receive(store, message_id)
    _, second = receive(store, "<2@x>", message_id or "<>")
    assert first.conversation != second.conversation


def test_the_nearest_ids_come_first_and_are_bounded() -> None:
    many = " ".join(f"<{number}@x>" for number in range(10_000))
    ids = ids_of(parse_message(header("<0@x>", many, sender="a@b", to="c@d")))
    assert ids[:2] == ["<9999@x>", "<9998@x>"]
    assert len(ids) == 100


TOKEN_ADDRESS = "shop+c-01m8756nhbp3dfj1qv-0123456789abcdef@acme.example"


def test_who_holds_a_token_takes_part_and_the_helpdesk_finds_the_mail_it_sent(
    store: Store,
) -> None:
    conversation = send(store, "<1@desk>")
    to = f"Ben <b@x.example>, {TOKEN_ADDRESS}"
    fetched, thread = receive(
        store, "<1@mallory>", "<other@thread>", sender="mallory@example.com", to=to,
        given=Given(conversation),
    )  # fmt: skip
    assert (thread.conversation, thread.is_reply, thread.linked) == (conversation, True, "")
    edited = parse_message(apply_edits(fetched.content, thread.edits))
    assert edited.text("In-Reply-To") == "<1@desk>"
    assert edited.text("References") == "<other@thread> <1@desk>"
    assert edited.text("To") == "Ben <b@x.example>, shop@acme.example"
    assert "message.matched" in events(store, fetched)
    _, later = receive(store, "<2@mallory>", "<1@desk>", sender="mallory@example.com")
    assert (later.conversation, later.is_reply) == (conversation, True)


def test_a_token_comes_before_the_ids_and_leaves_those_of_its_conversation(
    store: Store,
) -> None:
    first, second = send(store, "<1@desk>"), send(store, "<2@desk>")
    _, thread = receive(store, "<1@x>", "<2@desk>", given=Given(first))
    assert thread.conversation == first != second
    _, thread = receive(store, "<2@x>", "<1@desk>", given=Given(first))
    assert (thread.conversation, thread.edits) == (first, ())


def test_a_token_that_is_forged_or_of_another_tenant_counts_as_none(store: Store) -> None:
    conversation = send(store, "<1@desk>", tenant="globex")
    for given in (Given(conversation), Given(is_forged=True)):
        fetched, thread = receive(store, new_id(), given=given, to=TOKEN_ADDRESS)
        assert (thread.is_reply, thread.linked, thread.edits) == (False, "", ())
        assert thread.conversation != conversation
        store.write_now(take_in, fetched, sender="ann@example.org", given=given, now=NOON)
        assert events(store, fetched).count("message.token_refused") == 1
