from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.mail.delivery import Phase
from gateway.net.smtp_wire import MAX_REPLY_LINES, SessionLost, Wire, connect
from tests.net.smtp_script import Script

Run = Callable[[Awaitable[Any]], Any]


async def _replies(dialogue: str, count: int) -> list[str]:
    async with Script(dialogue).serve() as script:
        wire = await connect("localhost", script.port, seconds=30)
        try:
            found = await wire.replies(count, phase=Phase.GREETING, seconds=30)
        finally:
            wire.abort()
        return [one.as_line() for one in found]


def test_the_lines_of_a_reply_are_one_reply(run: Run) -> None:
    dialogue = "S: 550-5.7.1 Not\nS: 550-5.7.1 today\nS: 550 5.7.1 please"
    assert run(_replies(dialogue, 1)) == ["550 5.7.1 Not today please"]


def test_a_reply_without_text_is_one_too(run: Run) -> None:
    assert run(_replies("S: 220", 1)) == ["220"]


@pytest.mark.parametrize(
    "said",
    ["* OK IMAP4rev1 ready", "\n".join(["S: 220-x"] * (MAX_REPLY_LINES + 1)), "x" * 9000],
)
def test_what_is_not_smtp_ends_the_connection(run: Run, said: str) -> None:
    dialogue = said if said.startswith("S: ") else f"S: {said}"
    with pytest.raises(SessionLost, match="does not speak SMTP"):
        run(_replies(dialogue, 1))


def test_the_first_address_that_takes_a_connection_is_used(run: Run) -> None:
    async def work() -> None:
        async with Script("S: 220 hi").serve() as script:
            addresses = ("127.0.0.2", "127.0.0.1")  # nobody listens on the first
            wire = await connect("localhost", script.port, addresses=addresses, seconds=30)
            [reply] = await wire.replies(1, phase=Phase.GREETING, seconds=30)
            assert reply.code == 220
            wire.abort()

    run(work())


def test_a_host_without_an_address_is_lost_before_connecting(run: Run) -> None:
    with pytest.raises(SessionLost, match="no address") as caught:
        run(connect("host.invalid", 25, seconds=30))
    assert caught.value.phase is Phase.CONNECT
    assert "Errno" not in str(caught.value)
    with pytest.raises(SessionLost, match="has no address now: it is no host name"):
        run(connect("a" * 64 + ".invalid", 25, seconds=30))
    with pytest.raises(SessionLost, match="has no address now: no answer in 1e-09 s"):
        run(connect("host.invalid", 25, seconds=1e-9))


def test_the_last_words_of_a_server_that_hangs_up_are_heard() -> None:
    """A large mail is refused in the middle of it, and the connection is closed."""
    wire = Wire("mx.example")
    wire.lineReceived(b"552 5.3.4 too big")
    wire.connectionLost()
    said = wire.early_reply(Phase.DATA)
    assert said is not None
    assert said.as_line() == "552 5.3.4 too big"
    silent = Wire("mx.example")
    silent.connectionLost()
    with pytest.raises(SessionLost, match="closed the connection"):
        silent.early_reply(Phase.DATA)
