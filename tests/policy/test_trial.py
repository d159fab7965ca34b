"""The context of `policy test`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.mail.message import parse_message
from gateway.mail.tenant import Tenant
from gateway.policy.asked import Context
from gateway.policy.trial import Given, parse_auth, trial_context

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MAIL = (
    b"Return-Path: <b@m.example>\r\n"
    b"From: Ann <ann@example.org>\r\n"
    b"To: shop@acme.example\r\n\r\n"
)


def context(content: bytes = MAIL, **given: str) -> Context:
    return trial_context(parse_message(content), Tenant(id="acme"), Given(**given), now=NOON)


def test_what_is_not_given_is_read_from_the_message() -> None:
    one = context()
    assert (one.mail_from, one.rcpt_to) == ("b@m.example", ("shop@acme.example",))
    assert context(b"From: ann@example.org\r\n\r\n").mail_from == "ann@example.org"
    assert context(b"").rcpt_to == ()


def test_what_is_given_wins() -> None:
    one = context(mail_from="", rcpt_to="x@y.example")
    assert (one.mail_from, one.rcpt_to) == ("", ("x@y.example",))


@pytest.mark.parametrize("path", ["", "<>", " <> "])
def test_a_null_path_can_be_given(path: str) -> None:
    assert context(mail_from=path).mail_from == ""
    assert context(mail_from="<x@y.example>").mail_from == "x@y.example"


@pytest.mark.parametrize("name", ["mail_from", "rcpt_to"])
def test_what_is_no_address_is_refused(name: str) -> None:
    for text in ("not an address", "ann", "a@b, c@d"):
        with pytest.raises(ValueError, match=f"'{text}' is not one mail address"):
            context(MAIL, **{name: text})


def test_nothing_is_proven_unless_said() -> None:
    assert context().authenticity.proven == ""


@pytest.mark.parametrize(
    ("auth", "sender", "proven", "sender_proven"),
    [
        ("dkim=pass", "ann@example.org", True, True),
        ("dkim=pass", "b@m.example", True, False),
        ("spf=pass", "b@m.example", False, True),
        ("spf=pass", "ann@example.org", True, True),
        ("dmarc=pass,spf=fail", "b@m.example", True, False),
        ("dkim=fail", "ann@example.org", False, False),
    ],
)
def test_a_result_proves_what_it_is_in_line_with(
    auth: str, sender: str, *, proven: bool, sender_proven: bool
) -> None:
    proof = context(auth=auth, mail_from=sender).authenticity
    assert bool(proof.proven) is proven
    assert proof.mail_from_proven is sender_proven


@pytest.mark.parametrize("text", ["dkim", "dkim=yes", "x=pass", "dkim:pass"])
def test_a_word_that_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no result"):
        parse_auth(text)
