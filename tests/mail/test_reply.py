from __future__ import annotations

import pytest

from gateway.mail.reply import Outcome, Reply, parse_reply


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
