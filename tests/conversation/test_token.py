from __future__ import annotations

import hmac

import pytest

from gateway.conversation.token import Given, ReplyTo, find_given, find_reply_to, token_edits
from gateway.mail.address import parse_address
from gateway.mail.message import apply_edits, parse_message

CONVERSATION, OTHER = "01M8756NHBP3DFJ1QV", "01M8756NHBP3DFJ1QW"
OWN = parse_address("support@acme.example")


def mark(text: str) -> str:
    return hmac.digest(b"key", text.encode(), "sha256").hex()[:20]


def reply_to(header: str) -> str | None:
    """Return Reply-To of what leaves, None where it stays as it is."""
    content = f"{header}\r\n\r\n".encode()
    found = find_reply_to(
        parse_message(content), takes_token=lambda one: one.casefold() == str(OWN)
    )
    if found is None:
        return None
    edits = token_edits(found, CONVERSATION, tenant="acme", mark=mark)
    return parse_message(apply_edits(content, edits)).text("Reply-To")


def token(tenant: str = "acme", conversation: str = CONVERSATION) -> str:
    (_, edit) = token_edits(ReplyTo(str(OWN), OWN), conversation, tenant=tenant, mark=mark)
    return edit.value or ""


def given(*fields: str) -> Given:
    content = "\r\n".join([*fields, "", ""]).encode()
    return find_given(parse_message(content), tenant="acme", mark=mark)


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("From: support@acme.example", "{}"),
        ("From: Acme Support <Support@acme.example>", "Acme Support <{}>"),
        ('From: "support@acme.example" <support@acme.example>', '"support@acme.example" <{}>'),
        ("From: support@acme.example (Acme)", "{} (Acme)"),
        ("From: jane@acme.example\r\nReply-To: Acme\r\n <support@acme.example>", "Acme <{}>"),
    ],
)
def test_answers_go_to_the_address_with_a_token_under_the_name_it_had(
    header: str, shown: str
) -> None:
    assert reply_to(header) == shown.format(token())


@pytest.mark.parametrize(
    "header",
    [
        "From: jane@acme.example",
        "From: support@acme.example\r\nReply-To: jane@acme.example",
        "From: support@acme.example\r\nReply-To: support@acme.example, jane@acme.example",
        "Subject: nobody",
    ],
)
def test_where_answers_go_elsewhere_nothing_is_changed(header: str) -> None:
    assert reply_to(header) is None


@pytest.mark.parametrize("name", ["To", "Cc", "Delivered-To", "X-Original-To", "Envelope-To"])
def test_a_token_is_found_wherever_a_mail_says_whom_it_is_for(name: str) -> None:
    assert given("To: Ann <ann@example.net>", f"{name}: Acme <{token().upper()}>") == (
        Given(CONVERSATION)
    )


def test_a_token_of_another_tenant_or_conversation_or_none_is_no_token() -> None:
    assert given(f"To: {token('globex')}") == Given(is_forged=True)
    crossed = token().replace(CONVERSATION.lower(), OTHER.lower())
    assert given(f"To: {crossed}") == Given(is_forged=True)
    assert given(f"To: {crossed}, {token()}") == Given(CONVERSATION)
    assert given("To: support+c-and-more@acme.example") == Given()
    assert given(f"Subject: {token()}") == Given()
