from __future__ import annotations

import pytest

from gateway.delivery.verdict import Judge, failure_class, find_remote_id
from gateway.mail.delivery import Decision, LaneKind, Phase, Verdict
from gateway.mail.reply import Reply, parse_reply
from gateway.providers.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def _verdict(
    phase: Phase,
    code: int,
    text: str,
    *,
    preset: str = "generic",
    kind: LaneKind = LaneKind.UPSTREAM,
    attempts: int = 0,
) -> Verdict:
    judge = Judge(provider=CATALOGUE[preset], catalogue=CATALOGUE, kind=kind)
    return judge.verdict(phase, parse_reply(code, text), attempts=attempts)


@pytest.mark.parametrize(
    ("phase", "code", "text", "decision"),
    [
        (Phase.AFTER_DOT, 250, "2.0.0 ok", Decision.DELIVERED),
        (Phase.AFTER_DOT, 0, "lost", Decision.UNKNOWN),
        (Phase.CONNECT, 0, "no route", Decision.DEFER),
        # Before MAIL a 5yz never fails a message.
        (Phase.GREETING, 554, "5.7.1 go away", Decision.DEFER),
        (Phase.EHLO, 550, "bad name", Decision.DEFER),
        (Phase.STARTTLS, 554, "no TLS today", Decision.DEFER),
        (Phase.AUTH, 535, "5.7.8 no", Decision.SIGN_IN_REFUSED),
        (Phase.AUTH, 534, "use another password", Decision.SIGN_IN_REFUSED),
        (Phase.AUTH, 550, "odd", Decision.SIGN_IN_REFUSED),
        (Phase.AUTH, 454, "busy", Decision.DEFER),
        (Phase.AUTH, 421, "busy", Decision.DEFER),
        # At MAIL only where a rule blames the message or its sender.
        (Phase.MAIL, 550, "5.7.1 odd", Decision.DEFER),
        (Phase.MAIL, 553, "not yours", Decision.FAIL),
        (Phase.MAIL, 552, "5.3.4 too big", Decision.FAIL),
        (Phase.MAIL, 451, "later", Decision.DEFER),
        (Phase.RCPT, 550, "5.1.1 no such user", Decision.FAIL),
        (Phase.RCPT, 450, "4.2.0 greylisted", Decision.DEFER),
        (Phase.RCPT, 452, "4.2.2 over quota", Decision.DEFER),
        (Phase.RCPT, 452, "4.5.3 too many recipients", Decision.DEFER),
        (Phase.RCPT, 452, "4.3.1 slower please", Decision.SLOW_DOWN),
        (Phase.DATA, 554, "no", Decision.FAIL),
        (Phase.AFTER_DOT, 554, "5.6.0 no", Decision.FAIL),
        (Phase.AFTER_DOT, 451, "later", Decision.DEFER),
        (Phase.AFTER_DOT, 421, "closing", Decision.DEFER),
        (Phase.AFTER_DOT, 654, "what?", Decision.UNKNOWN),
        (Phase.AFTER_DOT, 354, "go on", Decision.UNKNOWN),
        (Phase.DATA, 999, "what?", Decision.DEFER),
        (Phase.DATA, 503, "5.5.1 RCPT first", Decision.DEFER),
    ],
)
def test_without_a_rule_of_the_preset_the_phase_and_the_first_digit_decide(
    phase: Phase, code: int, text: str, decision: Decision
) -> None:
    assert _verdict(phase, code, text).decision is decision


@pytest.mark.parametrize(
    ("preset", "phase", "code", "text", "decision"),
    [
        ("sendgrid", Phase.AUTH, 451, "Maximum credits exceeded", Decision.WAIT_QUOTA),
        ("gmail", Phase.RCPT, 550, "5.4.5 Daily user sending limit exceeded. Learn",
         Decision.WAIT_QUOTA),
        ("netease-163", Phase.AFTER_DOT, 550, "RP:ORQ x", Decision.WAIT_QUOTA),
        ("netease-163", Phase.MAIL, 421, "HL:ICC x", Decision.SLOW_DOWN),
        ("netease-163", Phase.AUTH, 451, "too much fail authentication", Decision.SLOW_DOWN),
        ("netease-163", Phase.AUTH, 550, "User has no permission", Decision.SIGN_IN_REFUSED),
        ("netease-163", Phase.AUTH, 535, "Error: authentication failed",
         Decision.SIGN_IN_REFUSED),
        ("qq", Phase.AUTH, 535, "Login Fail. Please enter your authorization code to login",
         Decision.SIGN_IN_REFUSED),
        ("netease-163", Phase.AFTER_DOT, 554, "DT:SPM 163", Decision.FAIL),
        ("sendgrid", Phase.MAIL, 550, "Unauthenticated senders not allowed", Decision.DEFER),
        ("sendgrid", Phase.AFTER_DOT, 550,
         "The from address does not match a verified Sender Identity", Decision.FAIL),
    ],
)  # fmt: skip
def test_a_rule_of_the_preset_comes_first(
    preset: str, phase: Phase, code: int, text: str, decision: Decision
) -> None:
    assert _verdict(phase, code, text, preset=preset).decision is decision


def test_a_deferral_because_of_the_content_is_tried_twice_at_most() -> None:
    tries = [
        _verdict(Phase.AFTER_DOT, 451, "DT:SPM x", preset="netease-163", attempts=done).decision
        for done in (0, 1, 2)
    ]
    assert tries == [Decision.DEFER, Decision.DEFER, Decision.FAIL]


def test_a_final_no_of_a_helpdesk_sets_the_mail_aside() -> None:
    """A customer is never bounced because the helpdesk refuses."""
    verdict = _verdict(Phase.AFTER_DOT, 554, "no", kind=LaneKind.ROUTE)
    assert verdict.decision is Decision.SET_ASIDE


def test_an_unreachable_server_is_told_in_our_words() -> None:
    verdict = _verdict(Phase.CONNECT, 0, "mx.example:25 takes no connection")
    assert (verdict.cause, verdict.meaning) == (
        "unreachable",
        "mx.example:25 takes no connection",
    )


@pytest.mark.parametrize(
    ("preset", "phase", "code", "text", "expected"),
    [
        ("generic", Phase.RCPT, 550, "5.1.1 no such user", "recipient-dead"),
        ("generic", Phase.RCPT, 550, "5.2.1 disabled", "recipient-dead"),
        ("generic", Phase.RCPT, 552, "5.2.2 full", "mailbox-full"),
        ("generic", Phase.RCPT, 452, "4.2.2 full", "mailbox-full"),
        ("generic", Phase.AFTER_DOT, 552, "5.3.4 too big", "policy"),
        ("generic", Phase.AFTER_DOT, 554, "5.7.1 spam", "policy"),
        ("generic", Phase.RCPT, 550, "5.1.8 your domain is odd", "our-account"),
        ("generic", Phase.MAIL, 553, "no", "our-account"),
        ("netease-163", Phase.AFTER_DOT, 554, "DT:SPM", "policy"),
        ("generic", Phase.RCPT, 550, "no", "unknown"),
    ],
)
def test_the_class_of_a_failure_never_blames_the_recipient_for_the_sender(
    preset: str, phase: Phase, code: int, text: str, expected: str
) -> None:
    verdict = _verdict(phase, code, text, preset=preset)
    assert failure_class(verdict, parse_reply(code, text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ok: queued as 4XyZ", "4XyZ"),
        ("queued as <abc@smtp.example>", "abc@smtp.example"),
        ("Ok 0100018f2f3c4d5e-aaaa-bbbb-000000", "0100018f2f3c4d5e-aaaa-bbbb-000000"),
        ("<abc@prod.outlook.com> [InternalId=1] Queued mail", "<abc@prod.outlook.com>"),
        ("ok", None),
        ("OK thanks", None),
    ],
)
def test_the_id_that_the_upstream_gave_is_found(text: str, expected: str | None) -> None:
    assert find_remote_id(text) == expected


def test_the_verdict_carries_the_advice_of_the_preset() -> None:
    judge = Judge(provider=CATALOGUE["sendgrid"], catalogue=CATALOGUE)
    reply = Reply(535, "5.7.8", "Authentication failed")
    fix = judge.verdict(Phase.AUTH, reply, attempts=0).fix
    assert fix is not None
    assert "API key" in fix
