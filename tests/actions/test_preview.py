"""What `policy test` shows of the mail that would be sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.actions.preview import Trial, preview
from gateway.config import AnswerSettings
from gateway.mail.inbound import Authenticity
from gateway.mail.plan import Effect, EffectKind, Plan
from tests.actions.occasions import ACME, NOON, PROOF, SHOP, mail

VACATION = Effect(kind=EffectKind.VACATION, arguments={"reason": "soon"})
REJECT = Effect(kind=EffectKind.REJECT, arguments={"reason": "no"})
UNPROVEN = Authenticity(header_from="ann@example.org", mail_from="ann@example.org")


def show(
    *effects: Effect, proof: Authenticity = PROOF, content: bytes | None = None, **options: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    trial = Trial(
        content=content or mail(),
        authenticity=proof,
        tenant=ACME,
        mailbox=SHOP,
        now=NOON,
        **options,
    )
    return preview(Plan(effects=effects, version="v"), trial, settings=AnswerSettings())


def test_the_mail_of_an_answer_is_shown() -> None:
    (row,), suppressed = show(VACATION)
    assert (row["kind"], row["mail_from"], row["rcpt_to"]) == (
        "vacation",
        "",
        "ann@example.org",
    )
    assert ["Subject", "Auto: Where is my order?"] in row["headers"]
    assert suppressed == []


def test_a_suppressed_answer_is_shown_with_its_reason() -> None:
    outgoing, suppressed = show(VACATION, content=mail(List_Id="<x>"))
    assert outgoing == []
    assert suppressed == [{"effect": "vacation", "reason": "list mail"}]


def test_strict_leaves_out_what_we_added_to_the_rfcs() -> None:
    assert show(REJECT, proof=UNPROVEN)[0] == []
    ((row,), suppressed) = show(REJECT, proof=UNPROVEN, strict=True)
    assert (row["kind"], suppressed) == ("reject", [])
    outgoing, suppressed = show(VACATION, content=mail(List_Id="<x>"), strict=True)
    assert (outgoing, len(suppressed)) == ([], 1)


def test_a_redirect_is_shown_as_it_would_leave() -> None:
    ((row,), _) = show(Effect(kind=EffectKind.REDIRECT, target="bob@example.net"))
    assert row["rcpt_to"] == "bob@example.net"
    assert ["From", '"Ann via Acme Shop" <shop@acme.example>'] in row["headers"]


def test_nothing_is_shown_of_a_failed_run() -> None:
    plan = replace(Plan(effects=(VACATION,), version="v"), errors=("x.sieve:1: no",))
    trial = Trial(content=mail(), authenticity=PROOF, tenant=ACME, mailbox=SHOP, now=NOON)
    assert preview(plan, trial, settings=AnswerSettings()) == ([], [])
