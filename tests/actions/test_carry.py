"""One effect of a Plan -> what is queued for it, or why nothing is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.actions.carry import carry
from gateway.mail.delivery import Kind, LaneKind
from gateway.mail.plan import Effect, EffectKind
from tests.actions.occasions import (
    ACME,
    HOOKED,
    MAILBOX,
    PROOF,
    mail,
    occasion,
    office,
)


def effect(kind: EffectKind, target: str = "", **arguments: object) -> Effect:
    return Effect(kind=kind, target=target, file="x.sieve", line=3, arguments=dict(arguments))


def test_a_store_queues_a_forward_to_its_route() -> None:
    carried = carry(effect(EffectKind.STORE, "billing"), office())
    assert [one.kind for one in carried.outgoing] == [Kind.FORWARD]
    assert (carried.outcome, carried.state) == ("routed", "routed")
    assert carried.detail(effect(EffectKind.STORE, "billing"))["line"] == 3


@pytest.mark.parametrize("field", ["To", "Delivered-To", "X-Original-To"])
def test_what_the_helpdesks_server_sends_back_is_not_sent_to_it_again(field: str) -> None:
    """Its server takes a mail, bounces it, and would bounce the bounce."""
    by_smtp, by_webhook = effect(EffectKind.STORE, "billing"), effect(EffectKind.STORE, "INBOX")
    (forward,) = carry(by_smtp, office()).outgoing
    bounce = mail(**{"Return-Path": "<>", field: f"<{forward.envelope.return_path}>"})
    carried = carry(by_smtp, office(bounce))
    assert (carried.outcome, carried.reason) == (
        "held",
        f"the helpdesk's server sent back the message {forward.origin}",
    )
    assert carry(by_webhook, office(bounce)).outcome == "routed"
    forged = mail(**{field: "shop+r-01arz3ndektsv4rrff-0000000000@acme.example"})
    assert carry(by_smtp, office(forged)).outcome == "routed"


@pytest.mark.parametrize(
    ("sender", "outcome"), [("mailer-daemon@b.example", "held"), ("ann@example.org", "routed")]
)
def test_it_is_known_by_the_mail_that_a_mail_system_gives_back(
    sender: str, outcome: str
) -> None:
    by_smtp = effect(EffectKind.STORE, "billing")
    (forward,) = carry(by_smtp, office()).outgoing
    bounce = mail(f"It failed.\r\n\r\nReturn-Path: <{forward.envelope.return_path}>\r\n")
    here = office(bounce, authenticity=replace(PROOF, header_from=sender))
    assert carry(by_smtp, here).outcome == outcome


@pytest.mark.parametrize("target", ["INBOX", "none", ""])
def test_without_a_route_the_message_is_held_with_that_reason(target: str) -> None:
    carried = carry(effect(EffectKind.STORE, target), office(tenant=replace(ACME, route=None)))
    assert carried.outcome == "held"
    assert "no route" in carried.reason
    assert carried.outgoing == ()


def test_a_held_message_is_told_to_the_hook_that_asked() -> None:
    carried = carry(effect(EffectKind.HOLD, reason="look"), office(tenant=HOOKED))
    (event,) = carried.outgoing
    assert (event.lane.kind, event.lane.name, event.kind) == (LaneKind.HOOK, "ev", Kind.EVENT)
    told = json.loads(event.content)
    assert (told["type"], told["data"]["reason"]) == ("message.held", "look")


def test_a_vacation_queues_an_answer() -> None:
    carried = carry(effect(EffectKind.VACATION, reason="hi", handle="h"), office())
    assert carried.outcome == "answered"
    assert carried.outgoing[0].kind is Kind.ANSWER
    assert carried.answer is not None
    assert (carried.answer.handle, carried.answer.sender) == ("h", "ann@example.org")


def test_a_vacation_that_the_gate_stops_is_suppressed_with_its_reason() -> None:
    carried = carry(effect(EffectKind.VACATION, reason="hi"), office(mail(List_Id="<x>")))
    assert (carried.state, carried.reason, carried.outgoing) == ("suppressed", "list mail", ())
    assert carried.outcome is None


def test_without_an_upstream_no_answer_leaves() -> None:
    carried = carry(effect(EffectKind.VACATION, reason="hi"), office(way=None))
    assert (carried.state, carried.reason) == ("suppressed", "no upstream")


def test_the_addresses_of_the_command_count_as_ours() -> None:
    answer = effect(EffectKind.VACATION, reason="hi", addresses=["old@shop.example"])
    assert carry(answer, office(mail(To="old@shop.example"))).outcome == "answered"


def test_a_rejection_that_is_not_sent_holds_the_message() -> None:
    unproven = replace(PROOF, proven="", mail_from_proven=False)
    carried = carry(effect(EffectKind.REJECT, reason="no"), office(authenticity=unproven))
    assert carried.outcome == "held"
    assert carried.reason.startswith("rejection not sent: sender not verified")


def test_an_ereject_never_mails() -> None:
    carried = carry(effect(EffectKind.REJECT, reason="no", ereject=True), office())
    assert carried.outcome == "held"
    assert all(one.kind is Kind.EVENT for one in carried.outgoing)


def test_a_rejection_of_a_proven_sender_is_sent() -> None:
    carried = carry(effect(EffectKind.REJECT, reason="no"), office())
    assert (carried.outcome, carried.outgoing[0].kind) == ("answered", Kind.ANSWER)


def test_an_agent_hands_over_to_its_fallback_with_a_tag() -> None:
    carried = carry(effect(EffectKind.AGENT, "returns", fallback="billing"), office())
    assert carried.outgoing[0].lane.name == "billing"
    assert any(edit.value == "agent-unavailable" for edit in carried.outgoing[0].edits)
    assert carry(effect(EffectKind.AGENT, "x"), office()).outgoing[0].lane.name == "desk"


def test_a_redirect_leaves_by_the_upstream_of_the_mailbox() -> None:
    carried = carry(effect(EffectKind.REDIRECT, "bob@example.net"), office())
    assert str(carried.outgoing[0].lane) == "acme/upstream/own"
    held = carry(effect(EffectKind.REDIRECT, "bob@example.net"), office(way=None))
    assert (held.outcome, held.reason) == (
        "held",
        "cannot redirect: the mailbox has no upstream",
    )


def test_a_discard_queues_nothing() -> None:
    assert carry(effect(EffectKind.DISCARD), office()).outcome == "discarded"


@pytest.mark.parametrize("kind", list(EffectKind))
@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"\xff\r\n" * 9, b"From: \xff\r\nTo: =?\r\n\r\n"]
)
def test_no_message_makes_an_effect_raise(kind: EffectKind, content: bytes) -> None:
    one = occasion(content, mailbox=MAILBOX)
    carried = carry(
        effect(kind, "bob@example.net", reason="x"), replace(office(), occasion=one)
    )
    assert carried.event
