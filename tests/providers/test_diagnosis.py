from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.providers.catalogue import ErrorRow, load_catalogue
from gateway.providers.causes import Turn
from gateway.providers.diagnosis import Diagnosis, diagnose

CATALOGUE = load_catalogue()


def _diagnose(preset: str, phase: str, code: int | str, text: str, **more: Any) -> Diagnosis:
    return diagnose(CATALOGUE[preset], CATALOGUE, phase=phase, code=code, text=text, **more)


ANSWERS = Path(__file__).parents[1] / "golden" / "answers.tsv"
GOLDEN = [tuple(line.split("\t")) for line in ANSWERS.read_text("utf-8").splitlines()[1:]]
ROWS = [(preset, row) for preset in CATALOGUE for row in CATALOGUE[preset].errors]


@pytest.mark.parametrize(("preset", "row"), ROWS)
def test_every_text_of_a_preset_leads_to_its_own_cause(preset: str, row: ErrorRow) -> None:
    for text in row.texts or ("anything at all",):
        for code in row.codes:
            phase = "smtp-auth" if row.on == "login" else row.on
            said = f"Sorry:\n  {text.upper()}  (host 7)"
            assert _diagnose(preset, phase, code, said).cause == row.cause


@pytest.mark.parametrize(("preset", "phase", "code", "text", "cause"), GOLDEN)
def test_no_known_answer_hides_another(
    preset: str, phase: str, code: str, text: str, cause: str
) -> None:
    assert _diagnose(preset, phase, code, f"{text} (host 7)").cause == cause


def test_every_text_of_the_catalogue_stands_in_the_golden_table() -> None:
    """Inherited entries stand at the preset that they come from."""
    golden = {" ".join(text.casefold().split()) for _, _, _, text, _ in GOLDEN}
    texts = {text for _, row in ROWS for text in row.texts}
    assert texts - golden == set()


@pytest.mark.parametrize(
    ("preset", "phase", "code", "text", "cause"),
    [
        ("sendgrid", "smtp-auth", 451, "Authentication failed: Maximum credits exceeded",
         "quota-exhausted"),
        ("sendgrid", "smtp-auth", 535, "whatever", "wrong-secret"),  # generic's row
        ("sendgrid", "smtp-rcpt", 452, "Too many recipients received this hour",
         "rate-limited"),
        ("sendgrid", "smtp-any", 550, "You are not authorized to send from that email address",
         "identity-not-verified"),  # another code than the catalogue's
        ("gmail", "smtp-auth", 535, "5.7.8 Username and Password not accepted",
         "wrong-secret"),
        ("gmail", "smtp-auth", 454, "4.7.0 Too many login attempts", "login-throttled"),
        ("gmail", "smtp-auth", 500, "5.7.14 odd words", "account-locked"),  # enhanced alone
        ("gmail", "smtp-auth", 454, "4.7.0 odd words", "server-busy"),  # two rows carry 4.7.0
        ("netease-163", "smtp-auth", 550, "User has no permission", "service-off"),
        ("netease-163", "smtp-auth", 535, "Error: authentication failed", "login-ambiguous"),
        ("netease-163", "imap-login", "NO", "LOGIN Login error or password error",
         "login-ambiguous"),
        ("netease-163", "imap-select", "NO",
         "SELECT Unsafe Login. Please contact kefu@188.com for help", "client-id-required"),
        ("netease-163", "smtp-data", 554, "DT:SPM 163 smtp7,abc", "content-refused"),
        ("generic", "imap-login", "NO", "no", "login-ambiguous"),
        ("generic", "smtp-rcpt", 550, "no such user", "refused"),
        ("generic", "smtp-rcpt", 450, "later", "deferred"),
        ("generic", "smtp-mail", 553, "odd", "sender-not-allowed"),
        ("generic", "smtp-mail", 421, "4.7.0 Too many messages, slow down", "rate-limited"),
        ("generic", "smtp-data", 451, "4.7.1 发送过于频繁", "rate-limited"),
        ("generic", "smtp-data", 550, "5.7.1 Rate limit exceeded", "rate-limited"),
    ],
)  # fmt: skip
def test_real_answers_are_understood(
    preset: str, phase: str, code: int | str, text: str, cause: str
) -> None:
    assert _diagnose(preset, phase, code, text).cause == cause


def test_the_phase_is_asked_first() -> None:
    """`User has no permission` of NetEase is said at AUTH; elsewhere it is not that answer."""
    assert _diagnose("netease-163", "smtp-rcpt", 550, "User has no permission").listed is False


def test_an_address_of_another_provider_is_at_the_wrong_server() -> None:
    """A 126.com account on imap.163.com reads as if the code were wrong."""
    refusal = ("netease-163", "imap-login", "NO", "LOGIN Login error or password error")
    assert _diagnose(*refusal, address="shop@126.com").cause == "wrong-server"
    assert _diagnose(*refusal, address="shop@163.com").cause == "login-ambiguous"
    assert (
        _diagnose("sendgrid", "smtp-auth", 535, "no", address="apikey").cause == "wrong-secret"
    )


@pytest.mark.parametrize(
    "preset", ["gmail", "m365", "fastmail", "zoho", "icloud", "yandex", "proton-bridge"]
)
def test_a_provider_that_serves_own_domains_is_never_the_wrong_server(preset: str) -> None:
    """An address of the customer's domain is as much at home there as one of `domains`."""
    refused = _diagnose(preset, "smtp-auth", 535, "no", address="support@acme.example")
    assert refused.cause == "wrong-secret"


def test_the_preset_says_better_what_to_do() -> None:
    own = _diagnose("sendgrid", "smtp-auth", 535, "Bad username / password")
    assert own.meaning == "The server refused the user name or password."
    assert own.fix is not None
    assert own.fix.startswith("SendGrid refused the key.")
    assert own.whose_turn is Turn.CREDENTIALS


def test_what_happened_is_not_said_again_by_what_to_do() -> None:
    found = _diagnose("generic", "smtp-auth", 535, "5.7.8 no")
    assert found.fix is not None
    assert found.fix.startswith("Many providers want an app password")


@pytest.mark.parametrize(
    ("preset", "phase", "code", "text"),
    [
        ("gmail", "imap-login", "NO", "[AUTHENTICATIONFAILED] Invalid credentials (Failure)"),
        ("generic", "smtp-auth", 535, "5.7.8 no"),
        ("m365", "smtp-auth", 535, "5.7.3 Authentication unsuccessful"),
    ],
)
def test_what_is_said_of_a_password_is_meant_of_the_token_where_one_was_given(
    preset: str, phase: str, code: int | str, text: str
) -> None:
    assert _diagnose(preset, phase, code, text, oauth2=True).cause == "oauth-rejected"
    assert _diagnose(preset, phase, code, text).cause != "oauth-rejected"


def test_an_unknown_refusal_of_a_token_speaks_against_the_permission() -> None:
    found = _diagnose("gmail", "token", 400, "something_new")
    assert (found.cause, found.whose_turn) == ("oauth-rejected", Turn.CREDENTIALS)


def test_where_smtp_is_off_a_token_does_not_hide_it() -> None:
    text = "5.7.139 SmtpClientAuthentication is disabled for the Tenant"
    found = _diagnose("m365", "smtp-auth", 535, text, oauth2=True)
    assert found.cause == "service-off-admin"


@pytest.mark.parametrize(
    ("phase", "code", "text", "cause"),
    [
        ("smtp-rcpt", 550, "5.1.1 no such user", "recipient-refused"),
        ("smtp-rcpt", 552, "5.2.2 over quota", "recipient-full"),  # not generic's row of 552
        ("smtp-rcpt", 452, "4.2.2 over quota", "recipient-full"),
        ("smtp-data", 552, "5.2.3 too long for this mailbox", "message-too-big"),
        ("smtp-data", 554, "5.3.4 too long", "message-too-big"),
        ("smtp-data", 550, "5.7.1 no", "policy-refused"),
        ("smtp-data", 550, "5.7.26 no", "bulk-authentication"),
        ("smtp-rcpt", 550, "5.1.8 where is that?", "sender-refused"),
        ("smtp-mail", 550, "5.1.1 odd", "refused"),  # before RCPT it can be of no recipient
        ("smtp-auth", 535, "5.7.1 no", "wrong-secret"),
        ("smtp-rcpt", 451, "4.7.1 greylisted", "deferred"),
        ("smtp-rcpt", 530, "5.7.0 sign in first", "refused"),
    ],
)
def test_without_an_entry_for_the_text_the_enhanced_code_speaks(
    phase: str, code: int, text: str, cause: str
) -> None:
    """RFC 3463 §3: at any provider, of whom nothing else is known."""
    found = _diagnose("generic", phase, code, text)
    assert found.cause == cause
    assert _diagnose("sendgrid", phase, code, text).cause == cause
    assert found.listed == (cause not in ("refused", "deferred"))


def test_the_words_of_a_provider_come_before_its_enhanced_code() -> None:
    said = "5.2.2 submission quota exceeded"  # of the sender, not of a mailbox
    assert _diagnose("m365", "smtp-data", 554, said).cause == "quota-exhausted"
