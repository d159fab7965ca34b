"""The notifications as files that a mail operator can read, and what machines read in them.

A golden file has the line ends of this disk; `GOLDEN=accept` writes them anew.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from gateway.delivery.report import Action, Report, write_report
from gateway.mail.address import parse_address
from gateway.mail.delivery import (
    Attempt,
    Batch,
    Decision,
    Delivery,
    Kind,
    Lane,
    LaneKind,
    Phase,
    Result,
    Verdict,
)
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.message import Edit
from gateway.mail.reply import Reply

GOLDEN = Path(__file__).parents[1] / "golden" / "notifications"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONTENT = (
    b"From: Acme Support <support@acme.example>\r\nTo: Ann <ann@example.net>\r\n"
    b"Subject: Your order 4711\r\nDate: Tue, 24 Nov 2026 07:59:58 +0000\r\n"
    b"Message-ID: <reply-7@acme.example>\r\nIn-Reply-To: <question-3@example.net>\r\n"
    b"References: <question-3@example.net>\r\n\r\nIt left this morning.\r\n"
)
ANN = Recipient(
    parse_address("ann@example.net"), "SUCCESS,FAILURE,DELAY", "rfc822;Ann+2Borders@example.net"
)
SAID = {
    Action.FAILED: (Decision.FAIL, Reply(550, "5.1.1", "no such user here")),
    Action.DELAYED: (Decision.DEFER, Reply(451, "4.3.2", "the system is busy")),
    Action.RELAYED: (Decision.DELIVERED, Reply(250, "2.0.0", "Ok: queued as 4Sd7Qk0xyz")),
}
MEANING = {
    Action.FAILED: "The recipient's address was refused.",
    Action.DELAYED: "The server asked to try again later.",
    Action.RELAYED: "The server took the message.",
}


def report(action: Action, *, reply: Reply | None = None, phase: Phase = Phase.RCPT) -> Report:
    decision, said = SAID[action]
    delivery = Delivery(number=1, recipient=ANN, attempts=6, sendable_seconds=14_460)
    result = Result(
        delivery=1,
        attempt=Attempt(
            at=NOON, host="smtp.provider.example", phase=phase, reply=reply or said
        ),
        verdict=Verdict(
            decision=decision,
            cause="x",
            meaning=MEANING[action],
            fix="Look for a slip in the address." if action is Action.FAILED else None,
        ),
        next_attempt_at=None,
        delayed_until=NOON + timedelta(days=4, hours=20) if action is Action.DELAYED else None,
    )
    return Report(
        action=action,
        batch=_batch(delivery),
        told=[(delivery, result)],
        message_id="<01JDNOTIFICATION00@gateway.example>",
        hostname="gateway.example",
        at=NOON,
    )


def _batch(delivery: Delivery) -> Batch:
    return Batch(
        message="01JD0000000000000A",
        lane=Lane("acme", LaneKind.UPSTREAM, "own"),
        kind=Kind.SUBMISSION,
        token="t",
        lease_until=NOON,
        envelope=Envelope(
            return_path=parse_address("support@acme.example"),
            recipients=(delivery.recipient,),
            ret="FULL",
            envid="ticket+2B4711",
        ),
        content=CONTENT,
        edits=(Edit("X-Shop", "Berlin"),),
        message_id="<reply-7@acme.example>",
        header_from="support@acme.example",
        accepted_at=NOON - timedelta(hours=4),
        origin=None,
        deliveries=(delivery,),
    )


def asked(one: Report, *, envid: str | None = None, orcpt: str | None = None) -> Report:
    """Return the report as if the sender had asked to be reminded of something else."""
    (delivery, result) = one.told[0]
    delivery = replace(delivery, recipient=replace(delivery.recipient, orcpt=orcpt))
    envelope = replace(one.batch.envelope, envid=envid)
    return replace(one, batch=replace(one.batch, envelope=envelope), told=[(delivery, result)])


def fields(one: Report) -> tuple[Message, Message]:
    """Return the fields about the message and about its recipient."""
    parts = message_from_bytes(write_report(one)).get_payload()
    assert isinstance(parts, list)
    blocks = parts[1].get_payload() if isinstance(parts[1], Message) else None
    assert isinstance(blocks, list)
    about, recipient = blocks
    assert isinstance(about, Message)
    assert isinstance(recipient, Message)
    return about, recipient


@pytest.mark.parametrize("action", list(Action))
def test_a_notification_reads_as_its_golden_file(action: Action) -> None:
    written = write_report(report(action)).decode()
    assert written.count("\n") == written.count("\r\n")
    path = GOLDEN / f"{action}.eml"
    if os.environ.get("GOLDEN") == "accept":
        path.write_text(written.replace("\r\n", "\n"), "utf-8")
    assert written.replace("\r\n", "\n") == path.read_text("utf-8")


@pytest.mark.parametrize("action", [Action.DELAYED, Action.RELAYED])
def test_the_text_of_the_mail_comes_back_with_a_failure_alone(action: Action) -> None:
    """RFC 3461 §4.3: whatever RET says."""
    assert b"It left this morning." in write_report(report(Action.FAILED))
    assert b"It left this morning." not in write_report(report(action))


@pytest.mark.parametrize(
    ("action", "reply", "phase", "status"),
    [
        (Action.DELAYED, Reply(0, None, "no answer"), Phase.CONNECT, "4.4.1"),
        (Action.DELAYED, Reply(0, None, "lost"), Phase.DATA, "4.4.2"),
        (Action.DELAYED, Reply(421, None, "busy"), Phase.MAIL, "4.0.0"),
        (Action.RELAYED, Reply(250, None, "OK"), Phase.AFTER_DOT, "2.0.0"),
        (Action.RELAYED, Reply(250, "2.6.0", "OK"), Phase.AFTER_DOT, "2.6.0"),
        (Action.FAILED, Reply(554, None, "no"), Phase.AFTER_DOT, "5.0.0"),
        (Action.FAILED, Reply(550, "4.7.1", "no"), Phase.RCPT, "5.0.0"),
    ],
)
def test_the_status_is_of_the_class_of_its_action(
    action: Action, reply: Reply, phase: Phase, status: str
) -> None:
    """RFC 3464 §2.3.4."""
    _, recipient = fields(report(action, reply=reply, phase=phase))
    assert recipient["Status"] == status


@pytest.mark.parametrize(
    ("envid", "shown"),
    [
        ("QQ+2B314", "QQ+314"),
        ("+C3+BCber", "über"),
        ("a+0D+0AAction:+20relayed", "a??Action: relayed"),
        ("a+00b+FF", "a?b\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_xtext_is_decoded_and_stays_on_its_line(envid: str, shown: str) -> None:
    """RFC 3461 §4."""
    written = write_report(asked(report(Action.FAILED), envid=envid)).decode()
    assert f"\r\nOriginal-Envelope-Id: {shown}\r\n" in written
    assert written.count("\r\nAction: ") == 1


def test_an_original_recipient_of_type_utf_8_stays_as_it_came() -> None:
    """RFC 6533 §3: it is not xtext."""
    one = asked(report(Action.FAILED), orcpt=r"utf-8;\x{4F60}+2B@example.net")
    _, recipient = fields(one)
    assert recipient["Original-Recipient"] == r"utf-8;\x{4F60}+2B@example.net"


def test_without_envid_and_orcpt_their_fields_are_left_out() -> None:
    about, recipient = fields(asked(report(Action.RELAYED)))
    assert about["Original-Envelope-Id"] is None
    assert recipient["Original-Recipient"] is None
    assert recipient["Will-Retry-Until"] is None
