from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest

from gateway.delivery.bounce import notifications_for
from gateway.mail.address import parse_address
from gateway.mail.delivery import (
    Attempt,
    Batch,
    Decision,
    Delivery,
    Kind,
    Lane,
    LaneKind,
    Outgoing,
    Phase,
    Recorded,
    Result,
    Verdict,
)
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.message import Edit
from gateway.mail.reply import Reply
from gateway.mail.tenant import Route, Tenant

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TENANT = Tenant(
    id="acme", route="helpdesk", routes={"helpdesk": Route(name="helpdesk", type="webhook")}
)
CONTENT = (
    b"From: Acme <support@acme.example>\r\nTo: ann@example.net\r\nSubject: Your order\r\n"
    b"Message-ID: <one@acme.example>\r\nReferences: <zero@example.net>\r\n\r\nText.\r\n"
)
ANN = Recipient(parse_address("ann@example.net"))


def _batch(recipient: Recipient = ANN, content: bytes = CONTENT, **envelope: Any) -> Batch:
    delivery = Delivery(number=1, recipient=recipient, attempts=0, sendable_seconds=1.0)
    return Batch(
        message="01JD0000000000000A",
        lane=Lane("acme", LaneKind.UPSTREAM, "sendgrid"),
        kind=Kind.SUBMISSION,
        token="t",
        lease_until=NOON,
        envelope=Envelope(
            return_path=parse_address("support@acme.example"),
            recipients=(recipient,),
            **envelope,
        ),
        content=content,
        edits=(Edit("X-Team", "blue"),),
        message_id="<one@acme.example>",
        header_from="support@acme.example",
        accepted_at=NOON - timedelta(hours=1),
        origin=None,
        deliveries=(delivery,),
    )


def _failure(batch: Batch, reply: Reply, *, give_up: bool = False) -> tuple[Delivery, Result]:
    verdict = Verdict(
        decision=Decision.FAIL, cause="refused", meaning="The address was refused.", fix="Ask."
    )
    attempt = Attempt(at=NOON, host="smtp.sendgrid.net", phase=Phase.RCPT, reply=reply)
    result = Result(
        delivery=1, attempt=attempt, verdict=verdict, next_attempt_at=None, give_up=give_up
    )
    return batch.deliveries[0], result


NO_USER = Reply(550, "5.1.1", "no such user")


def _bounce(
    batch: Batch, reply: Reply = NO_USER, *, tenant: Tenant = TENANT, give_up: bool = False
) -> Outgoing | None:
    recorded = Recorded(failed=(_failure(batch, reply, give_up=give_up),))
    return next(iter(_written(batch, recorded, tenant=tenant)), None)


def _written(batch: Batch, recorded: Recorded, *, tenant: Tenant = TENANT) -> list[Outgoing]:
    return notifications_for(batch, recorded, tenant=tenant, hostname="gw.example", now=NOON)


def _relayed(batch: Batch, *, dsn_offered: bool = False) -> Recorded:
    delivery, result = _failure(batch, Reply(250, "2.0.0", "queued as 4711"))
    attempt = replace(result.attempt, dsn_offered=dsn_offered)
    return Recorded(delivered=((delivery, replace(result, attempt=attempt)),))


def _delayed(batch: Batch) -> Recorded:
    delivery, result = _failure(batch, Reply(450, "4.2.0", "not now"))
    return Recorded(delayed=((delivery, replace(result, delayed_until=NOON)),))


def _actions(written: list[Outgoing]) -> list[str]:
    lines = [line for one in written for line in one.content.decode().split("\r\n")]
    return [line for line in lines if line.startswith("Action: ")]


def _parts(outgoing: Outgoing | None) -> tuple[Message, list[Message]]:
    assert outgoing is not None
    message = message_from_bytes(outgoing.content)
    parts = message.get_payload()
    assert isinstance(parts, list)
    return message, [one for one in parts if isinstance(one, Message)]


def test_a_bounce_lands_in_the_ticket() -> None:
    message, parts = _parts(_bounce(_batch()))
    assert message["In-Reply-To"] == "<one@acme.example>"
    assert message["References"].split() == ["<zero@example.net>", "<one@acme.example>"]
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["From"] == "Mail Delivery System <mailer-daemon@gw.example>"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [one.get_content_type() for one in parts] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]


def test_it_goes_to_the_route_with_a_null_return_path() -> None:
    outgoing = _bounce(_batch())
    assert outgoing is not None
    assert outgoing.lane == Lane("acme", LaneKind.ROUTE, "helpdesk")
    assert (outgoing.kind, outgoing.origin) == (Kind.BOUNCE, "01JD0000000000000A")
    assert outgoing.envelope.return_path is None
    assert str(outgoing.envelope.recipients[0].address) == "support@acme.example"


def test_a_route_with_an_address_gets_it_there() -> None:
    route = Route(name="helpdesk", type="smtp", to="tickets@desk.example")
    outgoing = _bounce(_batch(), tenant=replace(TENANT, routes={"helpdesk": route}))
    assert outgoing is not None
    assert str(outgoing.envelope.recipients[0].address) == "tickets@desk.example"


def test_the_status_says_what_machines_read() -> None:
    """RFC 3464 §2."""
    ann = replace(ANN, orcpt="rfc822;Ann+2Bx@example.net")
    _, [_, status, _] = _parts(_bounce(_batch(ann, envid="QQ+2B314")))
    blocks = status.get_payload()
    assert isinstance(blocks, list)
    about, recipient = (one for one in blocks if isinstance(one, Message))
    assert about["Reporting-MTA"] == "dns; gw.example"
    assert about["Original-Envelope-Id"] == "QQ+314"
    assert recipient["Original-Recipient"] == "rfc822;Ann+x@example.net"
    assert recipient["Final-Recipient"] == "rfc822; ann@example.net"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert recipient["Remote-MTA"] == "dns; smtp.sendgrid.net"
    assert recipient["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"


def test_the_text_says_what_people_read() -> None:
    _, [text, *_] = _parts(_bounce(_batch()))
    shown = str(text.get_payload())
    assert "<ann@example.net>" in shown
    assert "The address was refused." in shown
    assert "smtp.sendgrid.net said: 550 5.1.1 no such user" in shown
    assert "What can be done: Ask." in shown


def test_chinese_words_of_a_server_are_readable_and_the_header_stays_ascii() -> None:
    outgoing = _bounce(_batch(), Reply(550, "5.7.1", "邮件被拒绝"))
    _, [text, *_] = _parts(outgoing)
    payload = text.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert "邮件被拒绝" in payload.decode()
    assert outgoing is not None
    assert outgoing.content.isascii()


def test_given_up_is_told_as_expired() -> None:
    """RFC 3463 §3.5: X.4.7."""
    _, [_, status, _] = _parts(_bounce(_batch(), Reply(0, None, "lost"), give_up=True))
    blocks = status.get_payload()
    assert isinstance(blocks, list)
    recipient = blocks[1]
    assert isinstance(recipient, Message)
    assert recipient["Status"] == "5.4.7"
    assert recipient["Diagnostic-Code"] is None


@pytest.mark.parametrize(
    ("ret", "size", "kind"),
    [
        (None, 10, "message/rfc822"),
        ("FULL", 100_000, "message/rfc822"),
        (None, 100_000, "text/rfc822-headers"),
        ("HDRS", 10, "text/rfc822-headers"),
        ("FULL", 2_000_000, "text/rfc822-headers"),
    ],
)
def test_the_original_comes_back_by_ret_and_size(ret: str | None, size: int, kind: str) -> None:
    """RFC 3461 §4.3; what left is shown, with the recorded edits made."""
    content = CONTENT + b"y" * 70 + b"\r\n" * (size // 2)
    batch = _batch(content=content) if ret is None else _batch(content=content, ret=ret)
    _, [_, _, original] = _parts(_bounce(batch))
    assert original.get_content_type() == kind
    assert b"X-Team: blue" in original.as_bytes()
    assert (b"Text." in original.as_bytes()) == (kind == "message/rfc822")


@pytest.mark.parametrize(("notify", "told"), [
    (None, True), ("FAILURE", True), ("SUCCESS,FAILURE", True), ("NEVER", False),
    ("SUCCESS", False),
])  # fmt: skip
def test_notify_is_honoured(notify: str | None, told: bool) -> None:
    """RFC 3461 §4.1."""
    assert (_bounce(_batch(replace(ANN, notify=notify))) is not None) is told


@pytest.mark.parametrize(("notify", "told"), [
    (None, False), ("FAILURE", False), ("NEVER", False), ("SUCCESS,FAILURE", True),
])  # fmt: skip
def test_a_success_is_told_where_it_was_asked_and_the_upstream_cannot(
    notify: str | None, told: bool
) -> None:
    """RFC 3461 §5.2.2, and §5.2.1 for the server that was handed NOTIFY."""
    batch = _batch(replace(ANN, notify=notify))
    assert _actions(_written(batch, _relayed(batch))) == ["Action: relayed"] * told
    assert _written(batch, _relayed(batch, dsn_offered=True)) == []


@pytest.mark.parametrize(("notify", "told"), [
    (None, False), ("FAILURE", False), ("NEVER", False), ("DELAY", True),
])  # fmt: skip
def test_a_delay_is_told_where_it_was_asked(notify: str | None, told: bool) -> None:
    """RFC 3461 §5.2.5."""
    batch = _batch(replace(ANN, notify=notify))
    assert _actions(_written(batch, _delayed(batch))) == ["Action: delayed"] * told


def test_each_action_is_a_notification_of_its_own() -> None:
    batch = _batch(replace(ANN, notify="SUCCESS,FAILURE,DELAY"))
    recorded = Recorded(
        failed=(_failure(batch, NO_USER),),
        delivered=_relayed(batch).delivered,
        delayed=_delayed(batch).delayed,
    )
    written = _written(batch, recorded)
    assert _actions(written) == ["Action: failed", "Action: delayed", "Action: relayed"]
    assert len({one.message_id for one in written}) == 3
    assert {one.origin for one in written} == {batch.message}


def test_nothing_is_told_to_a_null_sender() -> None:
    batch = _batch(replace(ANN, notify="SUCCESS,FAILURE,DELAY"))
    null = replace(batch, envelope=replace(batch.envelope, return_path=None))
    for recorded in (_relayed(null), _delayed(null)):
        assert _written(null, recorded) == []
    assert _bounce(null) is None


def test_a_notification_is_never_told_of_whatever_its_sender() -> None:
    kind = b'multipart/report; report-type="delivery-status"; boundary=x'
    content = b"Content-Type: " + kind + b"\r\n" + CONTENT
    assert _bounce(_batch(content=content)) is None
    letter = CONTENT.replace(b"Subject", b"Content-Type: text/plain\r\nSubject")
    assert _bounce(_batch(content=letter)) is not None


def test_without_a_route_nothing_is_written() -> None:
    """There is no direct path to the sender."""
    assert _bounce(_batch(), tenant=replace(TENANT, route=None)) is None


def test_what_was_on_its_way_to_a_helpdesk_is_never_bounced() -> None:
    batch = replace(_batch(), lane=Lane("acme", LaneKind.ROUTE, "helpdesk"))
    assert _bounce(batch) is None
