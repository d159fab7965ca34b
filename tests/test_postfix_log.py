from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway import events, log_formats
from gateway.mail.address import Address
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
    Result,
    Verdict,
)
from gateway.mail.envelope import Envelope, Peer, Recipient, Submission
from gateway.mail.reply import Reply

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ANN = Recipient(Address("ann", "example.net"))
ENVELOPE = Envelope(return_path=Address("support", "acme.example"), recipients=(ANN,))
LANE = Lane("acme", LaneKind.UPSTREAM, "own")
DELIVERY = Delivery(number=1, recipient=ANN, attempts=0, sendable_seconds=0.0)
SUBMISSION = Submission(
    tenant="acme",
    credential="acme.zammad",
    envelope=ENVELOPE,
    content=b"",
    peer=Peer(address="192.0.2.1", port=4000, helo="desk", tls=None, mechanism="LOGIN"),
    received_at=NOON,
)
OUTGOING = Outgoing(
    id="ID1",
    tenant="acme",
    lane=LANE,
    kind=Kind.SUBMISSION,
    envelope=ENVELOPE,
    content=b"x" * 120,
    message_id="<m@acme.example>",
    header_from="support@acme.example",
)
BATCH = Batch(
    message="ID1",
    lane=LANE,
    kind=Kind.SUBMISSION,
    token="t",
    lease_until=NOON,
    envelope=ENVELOPE,
    content=b"",
    edits=(),
    message_id="<m@acme.example>",
    header_from="support@acme.example",
    accepted_at=NOON,
    origin=None,
    deliveries=(DELIVERY,),
)
PID = os.getpid()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level, own = root.level, log_formats.LOGGER.level
    stream = io.StringIO()
    log_formats.set_up(log_format="postfix", hostname="mx.example", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    log_formats.LOGGER.setLevel(own)


def lines(log: io.StringIO) -> list[str]:
    """Return what stands behind time and host of each line."""
    found = [
        re.fullmatch(r"[A-Z][a-z]{2} [ 123]\d \d\d:\d\d:\d\d mx\.example postfix/(.*)", line)
        for line in log.getvalue().splitlines()
    ]
    assert all(found)
    return [one.group(1) for one in found if one]


def tried(decision: Decision, reply: Reply, *, phase: Phase = Phase.AFTER_DOT) -> Result:
    attempt = Attempt(
        at=NOON + timedelta(seconds=2), host="mx.example.net", phase=phase, reply=reply,
        seconds=0.25,
    )  # fmt: skip
    verdict = Verdict(decision=decision, cause="c", meaning="m")
    return Result(delivery=1, attempt=attempt, verdict=verdict, next_attempt_at=None)


def test_a_submission_is_three_lines_of_three_daemons(log: io.StringIO) -> None:
    events.session_opened(client="192.0.2.1", port=4000)
    events.submission_accepted(submission=SUBMISSION, outgoing=OUTGOING)
    events.session_closed(client="192.0.2.1", port=4000)
    assert lines(log) == [
        "smtpd[4000]: connect from unknown[192.0.2.1]",
        "smtpd[4000]: ID1: client=unknown[192.0.2.1], sasl_method=LOGIN,"
        " sasl_username=acme.zammad",
        f"cleanup[{PID}]: ID1: message-id=<m@acme.example>",
        f"qmgr[{PID}]: ID1: from=<support@acme.example>, size=120, nrcpt=1 (queue active)",
        "smtpd[4000]: disconnect from unknown[192.0.2.1]",
    ]


def test_mail_without_a_message_id_is_told_as_postfix_tells_it(log: io.StringIO) -> None:
    events.message_queued(outgoing=replace(OUTGOING, message_id=""))
    assert f"cleanup[{PID}]: ID1: message-id=<>" in lines(log)


@pytest.mark.parametrize(
    ("decision", "phase", "reply", "told"),
    [
        (
            Decision.DELIVERED, Phase.AFTER_DOT, Reply(250, "2.0.0", "Ok: queued as 4F"),
            "relay=mx.example.net, delay=2.25, delays=2/0/0/0.25, dsn=2.0.0, status=sent"
            " (250 2.0.0 Ok: queued as 4F)",
        ),
        (
            Decision.FAIL, Phase.RCPT, Reply(550, "5.1.1", "No (such) user"),
            "relay=mx.example.net, delay=2.25, delays=2/0/0/0.25, dsn=5.1.1, status=bounced"
            " (host mx.example.net said: 550 5.1.1 No [such] user"
            " (in reply to RCPT TO command))",
        ),
        (
            Decision.DEFER, Phase.CONNECT, Reply(0, None, "nobody listens"),
            "relay=none, delay=2.25, delays=2/0/0/0.25, dsn=4.0.0, status=deferred"
            " (nobody listens)",
        ),
    ],
)  # fmt: skip
def test_a_try_is_a_line_with_its_status(
    log: io.StringIO, decision: Decision, phase: Phase, reply: Reply, told: str
) -> None:
    result = tried(decision, reply, phase=phase)
    events.delivery_tried(batch=BATCH, delivery=DELIVERY, result=result)
    events.message_finished(message_id="ID1")
    assert lines(log) == [
        f"smtp[{PID}]: ID1: to=<ann@example.net>, {told}",
        f"qmgr[{PID}]: ID1: removed",
    ]


def test_what_was_tried_for_too_long_has_bounced(log: io.StringIO) -> None:
    result = replace(tried(Decision.DEFER, Reply(451, "4.3.0", "Later")), give_up=True)
    events.delivery_tried(batch=BATCH, delivery=DELIVERY, result=result)
    assert "dsn=5.0.0, status=bounced (host mx.example.net said: 451" in log.getvalue()


def test_a_notification_is_a_message_of_its_own_without_a_sender(log: io.StringIO) -> None:
    envelope = replace(ENVELOPE, return_path=None)
    bounce = replace(OUTGOING, id="ID2", kind=Kind.BOUNCE, origin="ID1", envelope=envelope)
    events.message_queued(outgoing=bounce)
    assert lines(log) == [
        f"bounce[{PID}]: ID1: sender non-delivery notification: ID2",
        f"cleanup[{PID}]: ID2: message-id=<m@acme.example>",
        f"qmgr[{PID}]: ID2: from=<>, size=120, nrcpt=1 (queue active)",
    ]


def test_a_forward_was_picked_up_and_an_event_is_no_mail(log: io.StringIO) -> None:
    events.message_queued(outgoing=replace(OUTGOING, kind=Kind.FORWARD))
    events.message_queued(outgoing=replace(OUTGOING, kind=Kind.EVENT))
    first, *_, last = lines(log)
    assert first == f"pickup[{PID}]: ID1: uid={os.getuid()} from=<support@acme.example>"
    assert last.startswith(f"gateway[{PID}]: message.queued id=ID1 kind=event")


def test_refused_content_is_a_reject_without_a_queue_id(log: io.StringIO) -> None:
    events.submission_refused(submission=SUBMISSION, reply=Reply(550, "5.7.1", "Not yours"))
    assert lines(log) == [
        "smtpd[4000]: NOQUEUE: reject: DATA from unknown[192.0.2.1]: 550 5.7.1 <DATA>:"
        " Not yours; from=<support@acme.example> to=<ann@example.net> proto=ESMTP helo=<desk>"
    ]


def test_a_refused_sign_in_is_the_warning_of_sasl(log: io.StringIO) -> None:
    events.sign_in_refused(
        client="192.0.2.1", username="a\r\nb", reason="wrong password", mechanism="LOGIN"
    )
    assert lines(log) == [
        f"smtpd[{PID}]: warning: unknown[192.0.2.1]: SASL LOGIN authentication failed:"
        " wrong password, sasl_username=a??b"
    ]


def test_what_postfix_has_no_line_for_has_its_level_and_name(log: io.StringIO) -> None:
    events.server_stopping()
    events.store_full(reason="90 % is used")
    assert lines(log) == [
        f"gateway[{PID}]: server.stopping",
        f"gateway[{PID}]: error: store.full reason=90 % is used",
    ]
