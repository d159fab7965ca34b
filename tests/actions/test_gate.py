"""The one gate in front of every automatic answer (policy-language §5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.actions.answer import loop_mark
from gateway.actions.gate import (
    History,
    Occasion,
    find_addressee,
    find_ceiling,
    find_suppression,
    is_own,
    received_by,
)
from gateway.config import AnswerSettings
from gateway.mail.inbound import Authenticity
from gateway.mail.tenant import Sender
from tests.actions.occasions import ACME, MAILBOX, NOON, PROOF, fetched, mail, mark, occasion

SETTINGS = AnswerSettings()
NONE = History(
    answered_before=False, to_sender_last_hour=0, to_sender_last_day=0, by_mailbox_last_hour=0
)


def why(one: Occasion, *addresses: str, settings: AnswerSettings = SETTINGS) -> str | None:
    return find_suppression(one, addresses, settings=settings)


def test_a_proven_customer_who_names_us_is_answered() -> None:
    assert why(occasion()) is None


def test_a_mailbox_with_answers_off_answers_nobody() -> None:
    assert "off" in str(why(occasion(mailbox=replace(MAILBOX, answers=False))))


def test_an_empty_envelope_sender_is_not_answered() -> None:
    null = replace(PROOF, mail_from="")
    assert why(occasion(mail(Return_Path="<>"), authenticity=null)) == (
        "the envelope sender is empty"
    )


@pytest.mark.parametrize(
    "local",
    [
        "mailer-daemon", "MAILER-DAEMON", "postmaster", "listserv", "majordomo", "owner-list",
        "list-owner", "list-request", "list-bounces", "bounce-123", "bounces+ann", "noreply",
        "no-reply", "no_reply", "No.Reply", "donotreply", "do-not-reply", "noreply+123",
    ],
)  # fmt: skip
def test_an_automatic_sender_is_not_answered(local: str) -> None:
    proof = replace(PROOF, mail_from=f"{local}@example.org")
    assert "automatic address" in str(why(occasion(authenticity=proof)))


@pytest.mark.parametrize(
    "local", ["owner", "requests", "noreplyann", "my-bounce", "listserver"]
)
def test_a_name_that_only_looks_alike_is_answered(local: str) -> None:
    proof = replace(PROOF, mail_from=f"{local}@example.org")
    assert why(occasion(authenticity=proof)) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Auto-Submitted", "auto-replied"),
        ("Auto-Submitted", "auto-generated (weekly)"),
        ("Auto-Submitted", "Auto-Notified; owner-email=x@y"),
        ("Precedence", "bulk"),
        ("Precedence", "List"),
        ("Precedence", "junk"),
        ("List-Id", "<list.example.org>"),
        ("List-Unsubscribe", "<mailto:x@y>"),
        ("List-Post", "NO"),
        ("List-Help", "<mailto:x@y>"),
        ("List-Subscribe", "<mailto:x@y>"),
        ("List-Owner", "<mailto:x@y>"),
        ("List-Archive", "<https://x>"),
        ("X-Auto-Response-Suppress", "DR, OOF"),
        ("X-Auto-Response-Suppress", "All"),
        ("X-Auto-Response-Suppress", "AutoReply"),
        ("X-Auto-Response-Suppress", "DR; OOF"),
        ("Auto-Submitted", "(a robot) auto-replied"),
        ("Content-Type", 'multipart/report; report-type=delivery-status; boundary="x"'),
        ("Feedback-ID", "1:2:3:x"),
    ],
)
def test_automatic_and_bulk_mail_is_not_answered(field: str, value: str) -> None:
    assert why(occasion(mail(**{field: value})))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Auto-Submitted", "no"),
        ("Auto-Submitted", "No (typed by hand)"),
        ("Precedence", "first-class"),
        ("X-Auto-Response-Suppress", "DR, RN"),
        ("Content-Type", "text/plain"),
    ],
)
def test_what_a_person_writes_is_answered(field: str, value: str) -> None:
    assert why(occasion(mail(**{field: value}))) is None


@pytest.mark.parametrize(
    "address", ["info@acme.example", "INFO+x@acme.example", "o@tenant.example"]
)
def test_an_address_of_ours_is_not_answered(address: str) -> None:
    proof = replace(PROOF, mail_from=address)
    one = occasion(authenticity=proof, own_addresses=frozenset({"o@tenant.example"}))
    assert why(one) == "the sender is an address of ours"


def test_our_own_loop_mark_stops_a_loop_and_a_forged_one_does_not() -> None:
    ours = occasion(mail(X_Gateway_Loop=loop_mark(mark, "01ARZ3NDEKTSV4RRFF")))
    assert str(why(ours)).startswith("loop: ")
    assert why(occasion(mail(X_Gateway_Loop="01ARZ3NDEKTSV4RRFF.deadbeef"))) is None


def test_more_than_fifty_received_fields_are_a_loop() -> None:
    assert why(occasion(b"Received: x\r\n" * 50 + mail())) is None
    assert str(why(occasion(b"Received: x\r\n" * 51 + mail()))).startswith("loop: ")


@pytest.mark.parametrize("field", ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"])
def test_mail_that_names_an_address_of_ours_is_answered(field: str) -> None:
    named = {"To": "x@y.example", field: "Shop <Shop+order@acme.example>"}
    assert why(occasion(mail(**named))) is None


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"Delivered-To": "shop+order@acme.example"}, "shop+order@acme.example"),
        ({"X-Original-To": "Shop@acme.example"}, "Shop@acme.example"),
        ({"Delivered-To": "ann@customer.example"}, "shop@acme.example"),
        ({}, "shop@acme.example"),
    ],
)
def test_a_mail_came_to_the_address_of_ours_that_the_server_wrote(
    fields: dict[str, str], found: str
) -> None:
    one = occasion(mail(**fields))
    assert received_by(one.message, one.tenant, "shop@acme.example") == found


def test_mail_that_does_not_name_us_is_answered_only_for_a_listed_address() -> None:
    one = occasion(mail(To="old@shop.example"))
    assert why(one) == "no address of ours is in To or Cc"
    assert why(one, "old@shop.example") is None


def test_an_unproven_sender_is_not_answered_unless_the_operator_says_so() -> None:
    unproven = occasion(authenticity=Authenticity(header_from="ann@example.org"))
    assert str(why(unproven)).startswith("sender not verified")
    assert why(unproven, settings=AnswerSettings(require_auth=False)) is None
    silent = replace(unproven.mailbox, answers=False)
    assert why(replace(unproven, mailbox=silent, strict=True)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"fetched": fetched(junk=True)},
        {"fetched": fetched(backfill=True)},
        {"fetched": fetched(internal_date=NOON - timedelta(hours=25))},
        {"connected_at": NOON},
    ],
)
def test_old_mail_and_junk_is_not_answered(changes: dict[str, Any]) -> None:
    assert why(occasion(**changes))


def test_the_answer_goes_to_the_proven_envelope_sender() -> None:
    proof = replace(PROOF, mail_from="ann@mail.example.org")
    assert str(find_addressee(occasion(authenticity=proof), SETTINGS)) == "ann@mail.example.org"
    unproven = replace(proof, mail_from_proven=False)
    assert find_addressee(occasion(authenticity=unproven), SETTINGS) is None
    assert why(occasion(authenticity=unproven)) == (
        "the address to answer is not the one that was proven"
    )


def test_where_nobody_tells_the_envelope_sender_it_is_the_proven_from() -> None:
    untold = replace(PROOF, mail_from="", mail_from_proven=False)
    one = occasion(mail(Return_Path=None), authenticity=untold)
    assert str(find_addressee(one, SETTINGS)) == "ann@example.org"


def test_a_return_path_of_another_organisation_is_a_doubt() -> None:
    untold = replace(PROOF, mail_from="", mail_from_proven=False)
    for path in ("x@other.example", "x@badexample.org"):
        one = occasion(mail(Return_Path=f"<{path}>"), authenticity=untold)
        assert find_addressee(one, SETTINGS) is None
    one = occasion(mail(Return_Path="<x@m.example.org>"), authenticity=untold)
    assert find_addressee(one, SETTINGS) is not None


@pytest.mark.parametrize(
    ("history", "word"),
    [
        (replace(NONE, answered_before=True), "already"),
        (replace(NONE, to_sender_last_hour=5), "hour"),
        (replace(NONE, to_sender_last_day=20), "day"),
        (replace(NONE, by_mailbox_last_hour=200), "mailbox"),
    ],
)
def test_each_ceiling_has_its_reason(history: History, word: str) -> None:
    assert word in str(find_ceiling(history, SETTINGS))


def test_below_the_ceilings_an_answer_may_go() -> None:
    below = replace(
        NONE, to_sender_last_hour=4, to_sender_last_day=19, by_mailbox_last_hour=199
    )
    assert find_ceiling(below, SETTINGS) is None


def test_a_sender_entry_for_a_domain_covers_its_addresses() -> None:
    tenant = replace(ACME, senders={"*@acme.example": Sender(address="*@acme.example")})
    assert is_own(tenant, "anyone@ACME.example")
    assert not is_own(tenant, "anyone@other.example")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("Auto-Submitted", ("no", "auto-replied")),
        ("Precedence", ("normal", "bulk")),
        ("X-Auto-Response-Suppress", ("DR", "RN, OOF")),
    ],
)
def test_one_field_of_several_is_enough(field: str, values: tuple[str, str]) -> None:
    twice = "".join(f"{field}: {one}\r\n" for one in values).encode()
    assert why(occasion(twice + mail()))


def test_a_buyer_at_amazon_gets_no_automatic_answer() -> None:
    buyer = "x1y2z3@marketplace.amazon.de"
    proof = replace(PROOF, header_from=buyer, mail_from="01@amazonses.com", proven=buyer)
    assert "Amazon" in str(why(occasion(authenticity=proof)))
    anybody = replace(proof, header_from="x@amazon.de", mail_from="x@amazon.de")
    assert why(occasion(authenticity=replace(anybody, proven="x@amazon.de"))) is None
