"""What is added and what is taken out; everything else stays byte for byte."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.mail.address import parse_address
from gateway.mail.delivery import Lane, LaneKind, Outgoing
from gateway.mail.envelope import Envelope, Peer, Recipient, Submission
from gateway.mail.message import parse_message
from gateway.mail.tenant import Sender, Tenant
from gateway.submission.admission import Way, read_letter
from gateway.submission.stamp import stamp

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ACME = Tenant(id="acme", senders={"a@acme.example": Sender(address="a@acme.example")})
WAY = Way(
    lane=Lane("acme", LaneKind.UPSTREAM, "own"),
    header_from="a@acme.example",
    return_path=parse_address("a@acme.example"),
)
COMPLETE = (
    b"Date: Tue, 24 Nov 2026 11:59:00 +0000\r\nMESSAGE-ID: <own@acme.example>\r\n"
    b"From: a@acme.example\r\n"
)
BODY = b"\r\nHi\r\nBcc: not a field\r\n"


def stamped(
    content: bytes,
    *,
    recipients: tuple[str, ...] = ("ann@example.org",),
    tls: str | None = None,
    helo: str = "desk.example",
    address: str = "127.0.0.1",
    smtputf8: bool = False,
) -> Outgoing:
    given = submission(
        content, recipients=recipients, tls=tls, helo=helo, address=address, smtputf8=smtputf8
    )
    return stamp(read_letter(given, ACME), WAY, id="ID1", hostname="gateway.example")


def submission(
    content: bytes,
    *,
    recipients: tuple[str, ...] = ("ann@example.org",),
    tls: str | None = None,
    helo: str = "desk.example",
    address: str = "127.0.0.1",
    smtputf8: bool = False,
) -> Submission:
    return Submission(
        tenant="acme",
        credential="acme.zammad",
        envelope=Envelope(
            return_path=None,
            recipients=tuple(Recipient(parse_address(one)) for one in recipients),
            smtputf8=smtputf8,
        ),
        content=content,
        peer=Peer(address=address, port=1, helo=helo, tls=tls),
        received_at=NOON,
    )


def test_a_complete_message_gets_a_trace_field_and_stays_as_it_was() -> None:
    outgoing = stamped(COMPLETE + BODY)
    assert (
        outgoing.content
        == (
            b"Received: from desk.example ([127.0.0.1])\r\n"
            b"\tby gateway.example with ESMTPA id ID1\r\n"
            b"\tfor <ann@example.org>;\r\n"
            b"\tTue, 24 Nov 2026 12:00:00 +0000\r\n"
        )
        + COMPLETE
        + BODY
    )
    assert (outgoing.id, outgoing.message_id) == ("ID1", "<own@acme.example>")
    assert (outgoing.tenant, outgoing.credential) == ("acme", "acme.zammad")


@pytest.mark.parametrize("extra", [b"", b"Date:\r\nMessage-ID: \r\n"])
def test_date_and_message_id_are_added_where_they_are_missing(extra: bytes) -> None:
    outgoing = stamped(extra + b"From: a@acme.example\r\n" + BODY)
    message = parse_message(outgoing.content)
    assert [one.value for one in message.all("Date")] == ["Tue, 24 Nov 2026 12:00:00 +0000"]
    assert [one.value for one in message.all("Message-ID")] == ["<ID1@acme.example>"]
    assert outgoing.message_id == "<ID1@acme.example>"


def test_bcc_and_return_path_are_removed_with_their_folded_lines() -> None:
    extra = b"bcc: one@example.org,\r\n two@example.org\r\nReturn-Path: <x@acme.example>\r\n"
    outgoing = stamped(extra + COMPLETE + BODY)
    assert b"two@example.org" not in outgoing.content
    assert outgoing.content.endswith(b"+0000\r\n" + COMPLETE + BODY)


def test_what_the_helpdesk_calls_the_conversation_is_kept_and_does_not_leave() -> None:
    outgoing = stamped(b"X-Gateway-Conversation-Ref:\r\n chat-4711\r\n" + COMPLETE + BODY)
    assert outgoing.conversation_ref == "chat-4711"
    assert b"chat-4711" not in outgoing.content
    assert stamped(COMPLETE + BODY).conversation_ref is None


def test_a_recipient_is_not_told_of_the_others() -> None:
    outgoing = stamped(COMPLETE + BODY, recipients=("ann@example.org", "bob@example.org"))
    assert b"example.org" not in outgoing.content


def test_the_trace_field_tells_tls_and_the_protocol() -> None:
    outgoing = stamped(COMPLETE + BODY, tls="TLSv1.3 TLS_AES_256_GCM_SHA384", smtputf8=True)
    assert b"(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n" in outgoing.content
    assert b"with UTF8SMTPSA id ID1" in outgoing.content


def test_a_helo_cannot_write_into_the_trace_field() -> None:
    outgoing = stamped(COMPLETE + BODY, helo="a (b);\r\n\udcff", address="2001:db8::1")
    first = outgoing.content.split(b"\r\n")[0]
    assert first == b"Received: from a??b????? ([IPv6:2001:db8::1])"


def test_what_came_over_no_network_names_no_client() -> None:
    letter = read_letter(replace(submission(COMPLETE + BODY), peer=None), ACME)
    content = stamp(letter, WAY, id="ID1", hostname="gateway.example").content
    assert content.startswith(b"Received: by gateway.example id ID1\r\n\tfor <ann@")
    assert letter.submission.client == ""


def test_a_message_id_that_is_not_ascii_is_kept_in_the_bytes_and_readable_in_ours() -> None:
    outgoing = stamped(b"Message-ID: <\xff@acme.example>\r\nFrom: a@acme.example\r\n" + BODY)
    assert b"Message-ID: <\xff@acme.example>\r\n" in outgoing.content
    assert outgoing.message_id == "<?@acme.example>"


def test_a_message_without_a_body_is_stamped_too() -> None:
    assert stamped(COMPLETE).content.endswith(b"+0000\r\n" + COMPLETE)


def test_the_envelope_sender_is_that_of_its_way() -> None:
    assert stamped(COMPLETE + BODY).envelope.return_path == WAY.return_path
