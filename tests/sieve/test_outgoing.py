"""Answers as the RFCs have them, and when there is none."""

from __future__ import annotations

import pytest

from gateway.sieve.message import Message
from gateway.sieve.outgoing import (
    Answering,
    compose_redirect,
    compose_rejection,
    compose_vacation,
    find_silence,
    is_looping,
)
from tests.sieve.outside import LETTER, run

ANSWERING = Answering(sender="ann@customer.example", recipients=("second@acme.example",))
VACATION = run('vacation "Back on Monday.";').actions[0]


def silence(letter: bytes, *, sender: str = "ann@customer.example") -> str | None:
    answering = Answering(sender=sender, recipients=("second@acme.example",))
    return find_silence(Message(letter), VACATION, answering=answering)


def test_an_answer_goes_to_the_sender_and_says_that_it_is_automatic() -> None:
    sent = compose_vacation(Message(LETTER), VACATION, answering=ANSWERING)
    message = Message(sent.content)
    assert (sent.mail_from, sent.rcpt_to) == ("", "ann@customer.example")
    shown = {one.name: one.value for one in message.fields}
    assert shown["To"] == '"Ann Lee" <ann@customer.example>'
    assert shown["From"] == "<second@acme.example>"
    assert shown["Subject"] == "Auto: Rückgabe of my lamp"
    assert shown["In-Reply-To"] == shown["References"] == "<1@customer.example>"
    assert shown["Auto-Submitted"] == "auto-replied (vacation)"
    assert message.body == b"Back on Monday.\r\n"


def test_a_line_end_in_the_subject_cannot_add_a_header() -> None:
    action = run('vacation :subject "a${unicode:d a}Bcc: x@y.example" "x";').actions[0]
    sent = compose_vacation(Message(LETTER), action, answering=ANSWERING)
    assert not Message(sent.content).named(["bcc"])


@pytest.mark.parametrize(
    "field",
    [
        b"List-Id: <x>",
        b"Auto-Submitted: auto-generated",
        b"Precedence: bulk",
        b"X-Auto-Response-Suppress: DR, OOF",
    ],
)
def test_automatic_mail_is_not_answered(field: bytes) -> None:
    assert silence(LETTER) is None
    assert silence(field + b"\r\n" + LETTER) is not None


@pytest.mark.parametrize(
    "sender", ["", "mailer-daemon@x.example", "a-request@x.example", "second@acme.example"]
)
def test_a_machine_or_we_ourselves_get_no_answer(sender: str) -> None:
    assert silence(LETTER, sender=sender) is not None


def test_mail_that_was_not_written_to_us_is_not_answered() -> None:
    assert silence(LETTER.replace(b"second@acme", b"third@acme")) is not None


def test_a_rejection_is_a_disposition_notification() -> None:
    action = run('reject "No lamps.";').actions[0]
    sent = compose_rejection(
        Message(LETTER), action, sender="ann@customer.example", own="second@acme.example"
    )
    assert sent.mail_from == ""
    assert b"multipart/report" in sent.content
    assert b"No lamps." in sent.content


def test_a_redirected_message_is_marked_and_known_again() -> None:
    action = run('redirect "b@y.example";').actions[0]
    sent = compose_redirect(LETTER, action, mail_from="a@x.example", by="own@acme.example")
    assert sent.content.endswith(LETTER)
    assert is_looping(Message(sent.content), "OWN@acme.example")
