"""Buyers at Amazon: who they are, whose mail waits, and since when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.marketplace import (
    find_proven_buyer,
    find_waiting_buyer,
    is_alias,
    waiting_since,
)
from gateway.mail.plan import Effect, EffectKind, Plan

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
BUYER = "x1y2z3+A7B8@marketplace.amazon.co.uk"
MAIL = Fetched(
    id="01ARZ3NDEKTSV4RRFF", tenant="acme", mailbox="shop@qq.com", folder="INBOX",
    uidvalidity=1, uid=1, internal_date=NOON, content=b"",
)  # fmt: skip
KEEP = Effect(kind=EffectKind.STORE, target="INBOX")
DISCARD = Effect(kind=EffectKind.DISCARD)


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        (BUYER, True),
        ("x@Marketplace.Amazon.DE", True),
        ("no-reply@amazon.com", False),
        ("marketplace.amazon.de@evil.example", False),
        ("", False),
    ],
)
def test_an_alias_is_known_by_its_domain(address: str, is_one: bool) -> None:
    assert is_alias(address) is is_one


@pytest.mark.parametrize("proven", [BUYER, "ann@example.org", "", "x<y@marketplace.amazon.de"])
def test_only_who_is_proven_to_be_a_buyer_is_learned_from(proven: str) -> None:
    found = find_proven_buyer(Authenticity(header_from=BUYER, proven=proven))
    assert (str(found) if found else None) == (BUYER if proven == BUYER else None)


@pytest.mark.parametrize(
    ("mail", "sender", "effects", "waits"),
    [
        (MAIL, BUYER, (KEEP,), True),
        (MAIL, BUYER, (DISCARD, KEEP), True),
        (MAIL, BUYER, (DISCARD,), False),
        (MAIL, "ann@example.org", (KEEP,), False),
        (replace(MAIL, backfill=True), BUYER, (KEEP,), False),
        (replace(MAIL, released=KEEP), BUYER, (KEEP,), False),
    ],
)
def test_a_buyers_new_mail_waits_for_an_answer(
    mail: Fetched, sender: str, effects: tuple[Effect, ...], waits: bool
) -> None:
    found = find_waiting_buyer(
        mail, Authenticity(header_from=sender), Plan(effects=effects, version="")
    )
    assert (str(found) if found else None) == (BUYER if waits else None)


@pytest.mark.parametrize(
    ("date", "hours_before"),
    [
        ("Tue, 24 Nov 2026 09:00:00 +0000", 3),
        ("Tue, 24 Nov 2026 19:00:00 +0800", 1),
        ("Tue, 24 Nov 2026 10:00:00 -0000", 2),
        ("Tue, 24 Nov 2020 09:00:00 +0000", 0),
        ("Tue, 24 Nov 2026 15:00:00 +0000", 0),
        ("yesterday", 0),
        ("", 0),
        ("Tue, 24 Nov 99999999999999999999 09:00:00 +0000", 0),
    ],
)
def test_the_clock_begins_at_date_where_that_can_be_true(date: str, hours_before: int) -> None:
    mail = replace(MAIL, content=f"Date: {date}\r\n\r\nHello\r\n".encode())
    assert waiting_since(mail) == NOON - timedelta(hours=hours_before)
