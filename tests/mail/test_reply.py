from __future__ import annotations

import pytest

from gateway.mail.reply import Outcome, Reply, parse_reply, read_line


def test_the_enhanced_code_is_taken_off_each_line() -> None:
    assert parse_reply(550, "5.1.1 No such\n5.1.1 user") == Reply(550, "5.1.1", "No such\nuser")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (250, Outcome.DELIVERED),
        (451, Outcome.DEFERRED),
        (550, Outcome.FAILED),
        (0, Outcome.DEFERRED),
    ],
)
def test_the_first_digit_decides_and_the_unknown_is_deferred(
    code: int, outcome: Outcome
) -> None:
    """RFC 5321 §4.2.1; trying again never loses mail."""
    assert Reply(code, None, "").outcome is outcome


def test_a_reply_is_one_line() -> None:
    assert Reply(550, "5.1.1", "No such\nuser").as_line() == "550 5.1.1 No such user"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(550, "5.1.1", "No such user"),
        Reply(250, None, ""),
        Reply(0, None, "127.0.0.1 went"),
    ],
)
def test_a_line_is_read_back(reply: Reply) -> None:
    assert read_line(reply.as_line()) == reply


def test_words_of_our_own_have_no_code() -> None:
    ours = Reply(0, None, "mx.example closed the connection")
    assert ours.as_line() == ours.phrase == "mx.example closed the connection"
