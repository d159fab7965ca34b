"""Lines in, replies out: strict, bounded, and over when they are over."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from gateway.submission.wire import MAX_COMMAND_BYTES, MAX_ERRORS
from tests.submission.conftest import auth_plain

if TYPE_CHECKING:
    from tests.submission.conftest import Stage

MESSAGE = (
    b"MAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\nDATA\r\n"
    b"From: support@acme.example\r\n\r\nHi\r\n.\r\n"
)


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"NOOP\n", "500 5.5.2 "),
        (b"NO\rOP\r\n", "500 5.5.2 "),
        (b"NOOP\0\r\n", "500 5.5.2 "),
        (b"\xff\xfe\r\n", "500 5.5.1 "),
        (b"\r\n", "500 5.5.1 "),
        (b"NOOP " + b"x" * MAX_COMMAND_BYTES + b"\r\n", "500 5.5.2 "),
        (b"x" * 1_000_000 + b"\r\n", "500 5.5.2 "),
    ],
)
def test_what_is_no_command_line_is_refused_and_the_next_one_obeyed(
    stage: Stage, sent: bytes, reply: str
) -> None:
    client = stage.connect()
    client.read()
    client.send(sent + b"NOOP\r\n")
    assert client.read().startswith(reply)
    assert client.read() == "250 2.0.0 OK"


def test_refusals_that_a_person_can_mend_name_whom_to_ask(
    open_stage: Callable[..., Stage],
) -> None:
    ask = ". Questions? Ask it@gateway.example"
    stage = open_stage(support=ask.rsplit(maxsplit=1)[-1])
    client = stage.connect()
    client.read()
    client.say("EHLO desk.example")
    refused = client.say(auth_plain("acme.zammad", "wrong"))
    assert refused == f"535 5.7.8 User name or password is not right{ask}"
    assert client.say("MAIL FROM:<>") == f"530 5.7.0 Sign in first{ask}"
    assert client.say("NONSENSE") == "500 5.5.1 There is no such command"
    client.say(auth_plain("acme.zammad"))
    client.send(MESSAGE.replace(b"support@", b"nobody@"))
    replies = [client.read() for _ in range(4)]
    assert replies[3] == (
        f"550 5.7.1 <nobody@acme.example> is not among the senders of your account{ask}"
    )


def test_whom_to_ask_stands_on_a_line_of_its_own_where_there_is_no_room(
    open_stage: Callable[..., Stage],
) -> None:
    """RFC 5321 §4.5.3.1.5: a reply line has 512 octets at most."""
    domain = ".".join(["a" * 60] * 4)
    stage = open_stage(support=f"it@{domain}")
    client = stage.signed_in()
    client.send(MESSAGE.replace(b"support@acme.example", f"nobody@{domain}".encode()))
    replies = [client.read() for _ in range(4)]
    assert replies[3].splitlines() == [
        f"550-5.7.1 <nobody@{domain}> is not among the senders of your account",
        f"550 5.7.1 Questions? Ask it@{domain}",
    ]


def test_a_line_may_come_byte_by_byte(stage: Stage) -> None:
    client = stage.connect()
    client.read()
    for byte in b"EHLO desk.example\r\n":
        client.send(bytes([byte]))
    assert client.read().startswith("250-gateway.example")


@pytest.mark.parametrize(
    "line",
    [
        "HELO", "EHLO", "MAIL", "RCPT TO:<a@example.org>", "DATA", "EXPN x", "NONSENSE",
        "STARTTLS", "STARTTLS x", "AUTH", "AUTH PLAIN %%%", "AUTH PLAIN YQ==", "AUTH GSSAPI",
        "AUTH PLAIN a b c", "DATA x", "XCLIENT NAME=x", "ETRN x", "BDAT 5 LAST",
    ],
)  # fmt: skip
@pytest.mark.parametrize("signed_in", [False, True])
def test_every_refusal_after_ehlo_has_an_enhanced_code_and_a_sentence(
    stage: Stage, line: str, *, signed_in: bool
) -> None:
    if signed_in:
        client = stage.signed_in()
    else:
        client = stage.connect()
        client.read()
        client.say("EHLO desk.example")
    reply = client.say(line)
    assert re.fullmatch(r"([45])\d\d \1\.\d{1,3}\.\d{1,3} \S.* .*\S", reply), reply
    assert client.say("NOOP") == "250 2.0.0 OK"


def test_endless_errors_end_the_session(stage: Stage) -> None:
    client = stage.connect()
    client.read()
    client.send(b"NONSENSE\r\n" * 1000 + b"NOOP\r\n")
    replies = []
    while reply := client.read():
        replies.append(reply)
    assert len(replies) == MAX_ERRORS + 2
    assert replies[-1].startswith("421 4.7.0 ")


def test_nothing_is_obeyed_after_goodbye(stage: Stage) -> None:
    client = stage.connect()
    client.read()
    client.send(b"QUIT\r\nNOOP\r\nEHLO desk.example\r\n")
    assert client.read() == "221 2.0.0 Bye"
    assert client.read() == ""


def test_an_idle_client_is_told_421(open_stage: Callable[..., Stage]) -> None:
    client = open_stage(idle_timeout_seconds=0.05).connect()
    assert client.read() == "220 gateway.example ESMTP"
    assert client.read().startswith("421 4.4.2 ")
    assert client.read() == ""


def test_a_client_that_reads_nothing_is_dropped_when_idle(
    open_stage: Callable[..., Stage],
) -> None:
    commands = b"EHLO x\r\n" * 5_000_000
    stage = open_stage(idle_timeout_seconds=0.5)
    client = stage.connect()
    client.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.socket.sendall(commands)
    stage.wait_until(lambda: stage.listeners.sessions == 0)


def test_commands_are_answered_in_order_when_the_client_has_closed_its_side(
    stage: Stage,
) -> None:
    client = stage.connect()
    client.send(b"EHLO desk.example\r\nNOOP\r\nVRFY ann\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    replies = [client.read()[:3] for _ in range(5)]
    assert replies == ["220", "250", "250", "252", ""]
    stage.wait_until(lambda: stage.listeners.sessions == 0)


def test_pipelined_commands_leave_other_sessions_their_turn(stage: Stage) -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while len(stage.accepted) < 2:
            turns += 1
            await asyncio.sleep(0)

    seen: list[int] = []
    stage.watch = lambda: seen.append(turns)
    client = stage.signed_in()
    others = stage.begin(take_turns())
    client.send(MESSAGE + b"NOOP\r\n" * 200 + MESSAGE)
    others.result(10)
    assert seen[1] - seen[0] > 200
