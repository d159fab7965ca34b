"""The data of message.received (design §12)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.actions.received import MAX_TEXT_BYTES, received
from gateway.actions.route import write_forward
from gateway.mail.delivery import Batch, Delivery, Lane, LaneKind, Outgoing
from gateway.mail.message import Edit
from gateway.mail.plan import Effect, EffectKind
from tests.actions.occasions import ACME, NOON, mail, mark, occasion

STORE = Effect(
    kind=EffectKind.STORE,
    target="INBOX",
    flags=("vip",),
    edits=(
        Edit("X-Gateway-Conversation", None),
        Edit("X-Gateway-Conversation", "C1"),
        Edit("X-Gateway-Sequence", "3"),
    ),
    arguments={"fields": ["priority=high"]},
)


def batch_of(outgoing: Outgoing) -> Batch:
    (recipient,) = outgoing.envelope.recipients
    return Batch(
        message=outgoing.id,
        lane=outgoing.lane,
        kind=outgoing.kind,
        token="t",
        lease_until=NOON + timedelta(minutes=5),
        envelope=outgoing.envelope,
        content=outgoing.content,
        edits=outgoing.edits,
        message_id=outgoing.message_id,
        header_from=outgoing.header_from,
        accepted_at=NOON,
        origin=outgoing.origin,
        deliveries=(Delivery(number=1, recipient=recipient, attempts=0, sendable_seconds=0.0),),
    )


def forwarded(content: bytes) -> Batch:
    return batch_of(
        write_forward(occasion(content), STORE, route=ACME.routes["desk"], mark=mark)
    )


def link(message: str, part: str) -> str:
    return f"https://gw.example/m/{message}/{part}"


def test_what_a_helpdesk_is_told() -> None:
    content = mail(
        "Hello\r\n\r\n> quoted\r\n", Cc="=?utf-8?q?J=C3=B6rg?= <j@x.org>", In_Reply_To="<0@x>"
    )
    told = received(forwarded(content), link=link)
    assert told == {
        "id": "01ARZ3NDEKTSV4RRFF",
        "tenant": "acme",
        "mailbox": "shop@acme.example",
        "conversation": "C1",
        "conversation_ref": None,
        "sequence": 3,
        "linked": None,
        "message_id": "<1@example.org>",
        "in_reply_to": "<0@x>",
        "from": {"address": "ann@example.org", "name": "Ann"},
        "to": [{"address": "shop@acme.example", "name": ""}],
        "cc": [{"address": "j@x.org", "name": "Jörg"}],
        "subject": "Where is my order?",
        "text": "Hello\n\n> quoted\n",
        "reply_text": "Hello",
        "html": None,
        "truncated": False,
        "tags": ["vip"],
        "fields": {"priority": "high"},
        "auth": {"spf": "none", "dkim": "pass", "dmarc": "none", "arc": "none"},
        "backfill": False,
        "junk": False,
        "attachments": [],
        "raw_url": "https://gw.example/m/01ARZ3NDEKTSV4RRFF/raw",
    }


def test_what_the_message_says_of_itself_is_not_believed() -> None:
    forged = mail(X_Gateway_Mailbox="x@y", X_Gateway_Conversation="C9", X_Gateway_Junk="true")
    told = received(forwarded(forged), link=link)
    assert (told["mailbox"], told["conversation"], told["junk"]) == (
        "shop@acme.example",
        "C1",
        False,
    )


def test_a_long_text_is_cut_at_a_whole_character() -> None:
    told = received(forwarded(mail("你" * (MAX_TEXT_BYTES // 3 + 9))), link=link)
    assert told["truncated"]
    assert len(told["text"].encode()) <= MAX_TEXT_BYTES


def test_an_attachment_has_its_link() -> None:
    content = mail("x", Content_Disposition='attachment; filename="a.txt"')
    batch = forwarded(content)
    (attachment,) = received(batch, link=link)["attachments"]
    assert attachment == {
        "name": "a.txt",
        "type": "text/plain",
        "size_bytes": 1,
        "url": f"https://gw.example/m/{batch.message}/1",
    }


RAW = Batch(
    message="M",
    lane=Lane("acme", LaneKind.ROUTE, "desk"),
    kind=forwarded(b"").kind,
    token="t",
    lease_until=NOON,
    envelope=forwarded(b"").envelope,
    content=b"",
    edits=(Edit("Subject", None),),
    message_id="",
    header_from="",
    accepted_at=NOON,
    origin=None,
    deliveries=(),
)


@given(st.binary(max_size=400))
@example(b"From: \xff\xfe <a@\x00>, =?utf-8?b?A?= <b>\r\nTo: " + b"a@b, " * 5000 + b"\r\n\r\n")
@example(b"Subject: =?utf-8?b?gA==?=\r\nMessage-ID: \xff\r\n\r\n\x00")
@example(b"From: " + b"(" * 3000 + b"\r\nTo: " + b'"' * 3001 + b"\r\nCc: " + b"<" * 3000)
def test_no_bytes_make_it_raise_and_it_is_always_json(content: bytes) -> None:
    told = received(replace(RAW, content=content), link=link)
    assert json.loads(json.dumps(told)) == told
    json.dumps(told, ensure_ascii=False).encode()
