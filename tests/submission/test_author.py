"""From: one author, or none."""

from __future__ import annotations

import pytest

from gateway.mail.address import Address
from gateway.mail.message import apply_edits, parse_message
from gateway.mail.tenant import Sender
from gateway.submission.author import (
    Author,
    as_mailbox,
    find_author,
    name_edits,
    parse_mailbox,
    rewrite_edits,
)

ANN = Address("ann", "acme.example")
SUPPORT = Sender(address="support@acme.example", name="Acme Support")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ann@acme.example", ""),
        ("<ann@acme.example>", ""),
        ("Ann Bell <ann@acme.example>", "Ann Bell"),
        ('"Bell, Ann" <ann@acme.example>', "Bell, Ann"),
        (r'"A \"B\" C" <ann@acme.example>', 'A "B" C'),
        ('"x@y.example" <ann@ACME.example>', "x@y.example"),
        ("ann@acme.example <ann@acme.example>", "ann@acme.example"),
        ("ann@acme.example (Ann)", ""),
        ("=?utf-8?b?5a6i5pyN?= <ann@acme.example>", "客服"),
        ("客服 <ann@acme.example>", "客服"),
    ],
)
def test_one_mailbox_is_an_author(text: str, name: str) -> None:
    assert parse_mailbox(text) == Author(name, ANN)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@acme.example, bob@acme.example",
        "ann@acme.example <evil@example.org>",
        "<ann@acme.example> <evil@example.org>",
        "Ann: ann@acme.example;",
        "ann@acme.example@example.org",
        '"unclosed <ann@acme.example>',
        "ann@acme.example (a) evil@example.org",
        "Ann <ann@acme.example",
        "<ann @acme.example>",
        "@" * 100_000,
        '"' * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_what_could_be_read_two_ways_is_no_author(text: str) -> None:
    assert parse_mailbox(text) is None


@pytest.mark.parametrize("header", [b"", b"From: a@b.example\r\nfrom: a@b.example\r\n"])
def test_there_is_exactly_one_from_field(header: bytes) -> None:
    assert find_author(parse_message(header + b"\r\nbody\r\n")) is None


@pytest.mark.parametrize(
    ("name", "policy", "shown"),
    [
        ("", "fill", "Acme Support <ann@acme.example>"),
        ("Ann@acme.example", "fill", "Acme Support <ann@acme.example>"),
        ("Ann", "fill", None),
        ("Ann", "always", "Acme Support <ann@acme.example>"),
        ("Acme Support", "always", None),
    ],
)
def test_the_name_policy_fills_or_replaces_the_display_name(
    name: str, policy: str, shown: str | None
) -> None:
    sender = Sender(address="*@acme.example", name="Acme Support", name_policy=policy)
    edits = name_edits(Author(name, ANN), sender)
    assert [edit.value for edit in edits] == ([None, shown] if shown else [])


def test_a_sender_without_a_name_changes_nothing() -> None:
    sender = Sender(address="*@acme.example", name_policy="always")
    assert name_edits(Author("", ANN), sender) == ()


def test_a_rewritten_author_is_still_answered() -> None:
    content = b"From: Ann <ann@acme.example>\r\nTo: bob@example.org\r\n\r\nHi\r\n"
    message = parse_message(content)
    author = find_author(message)
    assert author
    edited = apply_edits(content, rewrite_edits(author, SUPPORT, message))
    assert edited == (
        b"To: bob@example.org\r\nFrom: Ann <support@acme.example>\r\n"
        b"Reply-To: Ann <ann@acme.example>\r\n\r\nHi\r\n"
    )


def test_a_reply_to_of_the_colleague_is_kept() -> None:
    message = parse_message(b"From: ann@acme.example\r\nReply-To: team@acme.example\r\n\r\n")
    edits = rewrite_edits(Author("", ANN), SUPPORT, message)
    assert [edit.name for edit in edits] == ["From", "From"]
    assert edits[1].value == "Acme Support <support@acme.example>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "ann@acme.example"),
        ("Ann", "Ann <ann@acme.example>"),
        ('A "b" c.', '"A \\"b\\" c." <ann@acme.example>'),
        ("客服", "=?utf-8?b?5a6i5pyN?= <ann@acme.example>"),
        ("x\r\nBcc: evil@example.org", '"x Bcc: evil@example.org" <ann@acme.example>'),
    ],
)
def test_a_name_is_quoted_or_encoded_as_it_needs(name: str, value: str) -> None:
    assert as_mailbox(name, ANN) == value


def test_a_long_name_is_folded_and_comes_back_whole() -> None:
    name = "客服中心" * 20
    value = as_mailbox(name, ANN)
    assert max(len(line) for line in value.split("\r\n")) < 80
    message = parse_message(f"From: {value}\r\n\r\n".encode())
    assert find_author(message) == Author(name, ANN)


def test_a_name_that_is_not_utf8_is_no_fault() -> None:
    message = parse_message(b"From: J\xf6rg <ann@acme.example>\r\n\r\n")
    author = find_author(message)
    assert author
    assert "support@acme.example" in str(rewrite_edits(author, SUPPORT, message)[1].value)
