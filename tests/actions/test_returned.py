"""Bounces for people alone, as QQ, NetEase, qmail, Exim and Exchange write them."""

from __future__ import annotations

from time import thread_time

import pytest

from gateway.actions.gate import find_suppression
from gateway.actions.returned import read_returned
from gateway.actions.undelivered import Undelivered
from gateway.config import AnswerSettings
from gateway.mail.inbound import Authenticity
from gateway.mail.message import parse_message
from gateway.mail.reply import Reply
from tests.actions.occasions import occasion
from tests.actions.reports import (
    delayed_by_exim,
    dsn,
    exchange,
    exim,
    failed,
    netease,
    qmail,
    qq,
)

MAIL, ANN, BEN = "<1@acme.example>", "ann@example.org", "ben@example.org"
KINDS = {
    "qmail": qmail(MAIL, ANN),
    "exim": exim(MAIL, (ANN, "host mx.example [192.0.2.7]: 550 5.1.1 no such user")),
    "exchange": exchange(MAIL, ANN),
    "netease": netease(MAIL, ANN),
    "qq": qq(MAIL, ANN),
}
ENDLESS_SECONDS = 20.0  # a search that looks back at each character takes many times that
SAID = {
    "qmail": Reply(550, "5.1.1", "no such user Giving up on 192.0.2.7"),
    "exim": Reply(550, "5.1.1", "no such user"),
    "exchange": Reply(550, "5.1.1", "RESOLVER.ADR.RecipNotFound; not found ##"),
    "netease": Reply(550, "5.1.1", "用户不存在"),
    "qq": Reply(552, "5.2.2", "mailbox full"),
}


def read(content: bytes) -> Undelivered | None:
    return read_returned(content, classify=lambda reply: reply.enhanced or "")


@pytest.mark.parametrize("kind", KINDS)
def test_whom_a_mail_did_not_reach_is_read_with_the_reason(kind: str) -> None:
    found = read(KINDS[kind])
    assert found is not None
    (failure,) = found.failures
    assert (found.ids, failure.names) == ((MAIL,), frozenset({ANN}))
    assert (failure.reply, failure.class_) == (SAID[kind], SAID[kind].enhanced)


@pytest.mark.parametrize("kind", KINDS)
def test_none_is_ever_answered(kind: str) -> None:
    sender = parse_message(KINDS[kind]).addresses("From")[0][1]
    proven = Authenticity(header_from=sender, mail_from=sender, proven=sender)
    reason = find_suppression(
        occasion(KINDS[kind], authenticity=proven), [], settings=AnswerSettings()
    )
    assert str(reason).startswith("the sender is an automatic address")


def test_each_of_several_has_a_reason_of_its_own() -> None:
    found = read(
        exim(MAIL, (ANN, 'unknown local-part "ann"'), (BEN, "mailbox is full: retry timeout"))
    )
    assert found is not None
    assert [([*one.names], one.class_) for one in found.failures] == [
        ([ANN], "5.1.1"),
        ([BEN], "5.2.2"),
    ]


def test_where_recipients_are_named_and_not_which_of_them_failed_that_is_known() -> None:
    one, several = read(netease(MAIL, ANN)), read(netease(MAIL, ANN, BEN))
    assert one is not None
    assert several is not None
    assert [found.names_failed for found in (one, several)] == [False, False]
    assert several.failures[0].names == frozenset()


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Sorry, no mailbox here by that name. (#5.1.1)", "5.1.1"),
        ("Connected to 192.0.2.7 but greeting failed. (#4.3.0)", "4.3.0"),
        ("I tried 192.0.2.7:465 timed out after 500 seconds", None),
    ],
)
def test_what_has_no_reply_in_it_is_understood_by_its_words(
    said: str, status: str | None
) -> None:
    found = read(qmail(MAIL, ANN, said=said))
    assert found is not None
    assert (found.failures[0].reply.code, found.failures[0].reply.enhanced) == (550, status)


@pytest.mark.parametrize(
    "content",
    [
        KINDS["qmail"].replace(b"MAILER-DAEMON@mx.example", b"ann@example.org"),
        qmail(MAIL, ANN, BEN).replace(b"Message-ID: <1@", b"X-Id: <1@"),
        netease(None, ANN, BEN),
        exchange(MAIL, ANN).replace(b"has failed", b"is late").replace(b"Undeliverable", b"Re"),
        delayed_by_exim(MAIL, ANN),
        dsn(MAIL, failed(ANN).replace("failed", "delayed")),
        b"",
    ],
    ids=["a person's", "no id", "no mail", "no failure", "late", "a report", "empty"],
)
def test_what_is_not_certain_is_a_mail_like_others(content: bytes) -> None:
    assert read(content) is None


@pytest.mark.parametrize(
    "content", [KINDS["qq"].replace(b"mail.eml", b"mail.txt"), netease(None, ANN)]
)
def test_one_that_gives_no_mail_back_names_its_only_recipient(content: bytes) -> None:
    found = read(content)
    assert found is not None
    assert (found.ids, [one.names for one in found.failures]) == ((), [frozenset({ANN})])


def test_an_empty_envelope_sender_tells_a_mail_system_too() -> None:
    content = KINDS["exim"].replace(b"Mailer-Daemon@", b"robot@")
    assert read(content) is None
    assert read(b"Return-Path: <>\r\n" + content) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_is_cut_or_spoilt_anywhere_is_read_or_is_none(kind: str) -> None:
    content = KINDS[kind]
    for at in range(0, len(content), 17):
        read(content[:at])
        read(content[:at] + b"\x00\xff\r\n\r\n" + content[at:])


@pytest.mark.parametrize(
    "made", ["a@" * 50_000, "550 " * 30_000, "a" * 99_000, "Message-ID: " * 9_000]
)
def test_one_that_is_made_to_take_long_does_not(made: str) -> None:
    began = thread_time()
    read(exim(MAIL, (ANN, made)))
    assert thread_time() - began < ENDLESS_SECONDS
