from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.delivery.suppression import find_suppressions
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
from gateway.mail.reply import Reply
from gateway.mail.suppression import Suppression, SuppressionReason

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
NO_USER = Reply(550, "5.1.1", "no such user")


def _batch(*recipients: str) -> Batch:
    people = tuple(Recipient(parse_address(one)) for one in recipients)
    return Batch(
        message="01JD0000000000000A",
        lane=Lane("acme", LaneKind.UPSTREAM, "own"),
        kind=Kind.SUBMISSION,
        token="t",
        lease_until=NOON,
        envelope=Envelope(return_path=None, recipients=people),
        content=b"",
        edits=(),
        message_id="<one@acme.example>",
        header_from="support@acme.example",
        accepted_at=NOON,
        origin=None,
        deliveries=tuple(
            Delivery(number=number, recipient=one, attempts=0, sendable_seconds=0.0)
            for number, one in enumerate(people)
        ),
    )


def _result(reply: Reply, phase: Phase = Phase.RCPT, *, cause: str = "refused") -> Result:
    return Result(
        delivery=0,
        attempt=Attempt(at=NOON, host="smtp.example", phase=phase, reply=reply),
        verdict=Verdict(decision=Decision.FAIL, cause=cause, meaning="Refused."),
        next_attempt_at=None,
    )


def _found(batch: Batch, result: Result) -> list[Suppression]:
    return find_suppressions(batch, [(batch.deliveries[0], result)], now=NOON)


def test_a_dead_address_is_suppressed_for_ninety_days_with_the_remotes_words() -> None:
    assert _found(_batch("Ann@BÜCHER.example"), _result(NO_USER)) == [
        Suppression(
            tenant="acme",
            address="ann@xn--bcher-kva.example",
            reason=SuppressionReason.RECIPIENT_DEAD,
            evidence="550 5.1.1 no such user (message 01JD0000000000000A)",
            expires_on=date(2027, 2, 22),
        )
    ]


@pytest.mark.parametrize(
    "result",
    [
        _result(Reply(550, "5.7.1", "spam")),
        _result(Reply(552, "5.2.2", "over quota")),
        _result(NO_USER, cause="sender-not-allowed"),
        _result(Reply(450, "4.1.1", "not now")),
        replace(_result(NO_USER), give_up=True),
    ],
    ids=["policy", "full", "our own fault", "a deferral", "given up"],
)
def test_what_does_not_prove_an_address_to_be_dead_suppresses_nobody(result: Result) -> None:
    assert _found(_batch("ann@example.net"), result) == []


def test_a_reply_to_the_content_for_several_people_suppresses_none_of_them() -> None:
    said = _result(NO_USER, Phase.AFTER_DOT)
    assert _found(_batch("ann@example.net", "ben@example.net"), said) == []
    assert len(_found(_batch("ann@example.net"), said)) == 1


def test_a_route_suppresses_nobody() -> None:
    batch = replace(_batch("d@desk.example"), lane=Lane("acme", LaneKind.ROUTE, "desk"))
    assert _found(batch, _result(NO_USER)) == []
