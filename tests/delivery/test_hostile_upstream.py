"""An upstream that dies, hangs or answers nonsense, at each point of a session.

Nothing is lost and nothing is taken for delivered; what perhaps was is *unknown*; and once
the upstream is well the message goes, once.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.upstream import Pooled
from gateway.mail.delivery import Decision, Lane, LaneKind, Result
from gateway.net.smtp import Timeouts
from gateway.sandbox.misbehaviour import Fault
from gateway.sandbox.misbehaviour import Phase as At
from gateway.sandbox.upstream import Upstream, UpstreamSettings
from gateway.store import queue
from tests.delivery.post_office import LANE, PATIENT, PostOffice, open_post_office

Run = Callable[[Awaitable[Any]], Any]
OTHER = Lane("zeta", LaneKind.UPSTREAM, "own")
IMPATIENT = {
    At.GREETING: "greeting_seconds", At.CONTENT: "block_seconds", At.DOT: "dot_seconds",
}  # fmt: skip
COMMANDS = (At.GREETING, At.EHLO, At.AUTH, At.MAIL, At.RCPT, At.DATA)
ANSWERS = {
    "a code that nobody knows": "999 What?",
    "go on, where nothing is to come": "354 Go on",
    "a text of control characters": "451 4.3.0 \0\x1b[2J\x9bBell\x07 caf\xe9",
}
NONSENSE = (
    Fault.HANG, Fault.DROP, Fault.GARBAGE, Fault.ENDLESS_LINE, Fault.ENDLESS_REPLY, Fault.FLOOD,
)  # fmt: skip
MAX_BYTES = 16 * 1024 * 1024  # what the attempt and the sandbox may take together


def impatient(at: At) -> Timeouts:
    """Return how long to wait: little where nothing comes, a machine may be slow elsewhere.

    DATA goes with what is before it, and is answered with it.
    """
    return replace(PATIENT, **{IMPATIENT.get(at, "command_seconds"): 0.3})


async def attempt(office: PostOffice, **changes: Any) -> Result:
    """Claim the message that waits, whoever had it before, and try it once."""
    await office.store.write(queue.release_leases, owner_prefix="node")
    batch = await office.claim()
    [result] = await office.sender.attempt(replace(batch, **changes))
    return result


async def is_delivered_once_it_is_well(office: PostOffice, *, kept: int = 0) -> bool:
    """Whether the next attempt brings the message there; `kept` came before unseen."""
    office.misbehave()
    office.timeouts = PATIENT
    result = await attempt(office)
    captured = len(office.provider.captured)
    return result.verdict.decision is Decision.DELIVERED and captured == kept + 1


@pytest.mark.parametrize(("at", "fault"), list(product(COMMANDS, NONSENSE)))
def test_before_the_dot_the_message_waits_and_goes_once(
    run: Run, tmp_path: Path, at: At, fault: Fault
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False, timeouts=impatient(at)) as office:
            await office.accept()
            office.misbehave(at={at: fault})
            assert (await attempt(office)).verdict.decision is Decision.DEFER
            assert await is_delivered_once_it_is_well(office)

    run(work())


@pytest.mark.parametrize(
    "fault", [*(one for one in NONSENSE if one is not Fault.FLOOD), Fault.KEEP_AND_DROP]
)
def test_after_the_dot_it_is_unknown(run: Run, tmp_path: Path, fault: Fault) -> None:
    """It waits a quarter of an hour: perhaps the message is there already."""

    async def work() -> None:
        async with open_post_office(
            tmp_path, started=False, timeouts=impatient(At.DOT)
        ) as office:
            await office.accept()
            office.misbehave(at={At.DOT: fault})
            assert (await attempt(office)).verdict.decision is Decision.UNKNOWN
            kept = int(fault is Fault.KEEP_AND_DROP)
            assert await is_delivered_once_it_is_well(office, kept=kept)

    run(work())


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("at", [*COMMANDS, At.DOT])
def test_an_answer_that_makes_no_sense_is_neither_a_yes_nor_a_no(
    run: Run, tmp_path: Path, at: At, answer: str
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept()
            office.misbehave(at={at: answer})
            result = await attempt(office)
            unclear = at is At.DOT and not answer.startswith("451")
            expected = Decision.UNKNOWN if unclear else Decision.DEFER
            if at is not At.DATA or not answer.startswith("354"):  # there it is a good one
                assert result.verdict.decision is expected
                assert result.attempt.reply.text.replace("\n", "").isprintable()
            assert await is_delivered_once_it_is_well(office)

    run(work())


@pytest.mark.parametrize("at", COMMANDS)
def test_a_yes_to_what_has_not_come_yet_is_no_yes(run: Run, tmp_path: Path, at: At) -> None:
    """Replies that run ahead: the one that is taken for the dot's came before the content."""

    async def work() -> None:
        async with open_post_office(tmp_path, started=False, timeouts=impatient(at)) as office:
            await office.accept()
            office.misbehave(at={at: Fault.EARLY})
            assert (await attempt(office)).verdict.decision is Decision.DEFER
            assert await is_delivered_once_it_is_well(office)

    run(work())


def test_a_server_that_takes_no_more_of_a_large_message_is_given_up(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(
            tmp_path, started=False, timeouts=impatient(At.CONTENT)
        ) as office:
            await office.accept()
            office.misbehave(at={At.CONTENT: Fault.HANG})
            large = b"From: support@acme.example\r\n\r\n" + b"x" * 78 + b"\r\n" * 10_000_000
            result = await attempt(office, content=large)
            assert result.verdict.decision is Decision.DEFER
            assert await is_delivered_once_it_is_well(office)

    run(work())


@pytest.mark.parametrize("fault", [Fault.ENDLESS_LINE, Fault.ENDLESS_REPLY, Fault.FLOOD])
@pytest.mark.parametrize("at", [At.EHLO, At.DOT])
def test_an_answer_without_end_takes_little_memory(
    run: Run, tmp_path: Path, at: At, fault: Fault
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept()
            office.misbehave(at={at: fault})
            tracemalloc.start()
            await attempt(office)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < MAX_BYTES

    run(work())


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.FLOOD, Fault.DROP])
def test_the_upstream_of_another_tenant_is_not_delayed(
    run: Run, tmp_path: Path, fault: Fault
) -> None:
    async def work() -> None:
        well = Upstream(UpstreamSettings())
        await well.start()
        hours = replace(PATIENT, command_seconds=7200)
        async with open_post_office(tmp_path, timeouts=hours) as office:
            office.accounts[OTHER] = office.account(port=well.port)
            office.misbehave(at={At.MAIL: fault})
            for number in range(20):
                await office.accept(f"ann{number}@example.net")
                await office.accept(f"ben{number}@example.net", lane=OTHER)
            while len(well.captured) < 20:
                await office.recorded()
            assert not len(office.provider.captured)
            states = await office.states()
            assert "delivered" not in {
                states[f"ann{number}@example.net"] for number in range(20)
            }
        await well.stop()

    run(work())


def test_a_slow_server_gets_the_message_all_the_same(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept()
            office.misbehave(slow_seconds=0.02)
            assert (await attempt(office)).verdict.decision is Decision.DELIVERED

    run(work())


def test_one_connection_too_many_is_a_wish_for_fewer(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept()
            other = await office.pool.take(OTHER, office.account())
            assert isinstance(other, Pooled)
            office.misbehave(max_connections=1)
            verdict = (await attempt(office)).verdict
            assert verdict.decision is Decision.SLOW_DOWN
            assert verdict.cause == "too-many-connections"
            office.pool.give_back(OTHER, other)
            assert await is_delivered_once_it_is_well(office)

    run(work())


def test_the_id_of_a_server_that_rewrites_message_ids_is_learned(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept()
            office.misbehave(rewrite_message_id="email.amazonses.com")
            result = await attempt(office)
            [captured] = office.provider.captured
            assert result.verdict.decision is Decision.DELIVERED
            assert result.attempt.remote_id == captured.id

    run(work())


def test_a_server_that_takes_one_signature_takes_mail_that_we_do_not_sign(
    run: Run, tmp_path: Path
) -> None:
    async def work() -> None:
        async with open_post_office(tmp_path, started=False) as office:
            await office.accept(content=b"DKIM-Signature: v=1\r\nFrom: a@acme.example\r\n\r\n")
            office.misbehave(refuse_second_signature=True)
            refused = await attempt(office)
            assert refused.verdict.decision is Decision.FAIL
            assert "DKIM-Signature" in refused.attempt.reply.text
            office.accounts[LANE] = replace(office.account(), dkim_profile="none")
            assert (await attempt(office)).verdict.decision is Decision.DELIVERED

    run(work())
