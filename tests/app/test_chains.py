"""Chains on large mail run in processes of their own, with the same result."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app.chains import LARGE_BYTES, ChainRunner, Child, ChildFault, ChildLost, is_large
from gateway.mail.plan import Effect, EffectKind
from gateway.net.concurrency import Pool
from gateway.policy.asked import Context
from gateway.policy.chain import Chain, Judgement, after, run_chain
from gateway.policy.files import load_chain
from gateway.sieve.interface import Limits
from tests.policy.test_chain import ACME, CONTEXT, MAIL

FILES = {
    "inbound/10.sieve": 'global "who"; set "who" "ann"; addflag "vip"; addheader "X-A" "ü";',
    "inbound/20.sieve": 'if limit :count 1 :seconds 60 "key" { fileinto :copy "billing"; }',
    "inbound/30.sieve": 'if body :text :contains "needle" { include :global "end"; }',
    "lib/end.sieve": 'if address :list "from" "vip" { fileinto "desk"; } stop;',
    "lists/vip.txt": "ann@example.org\n",
}
PATIENT = Limits(chain_seconds=60)  # what is looked at here is not how fast a machine is
LARGE = MAIL + b"hay \xff\r\n" * 20_000 + b"needle\r\n"


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return load_chain(tmp_path, ACME, "inbound")


@contextmanager
def started(**options: float) -> Iterator[ChainRunner]:
    pool = Pool("test", threads=1)
    one = ChainRunner(pool, processes=1, **options)
    yield one
    one.close()
    pool.close()


@pytest.fixture
def runner() -> Iterator[ChainRunner]:
    with started() as one:
        yield one


def run(
    runner: ChainRunner, chain: Chain, content: bytes = LARGE, context: Context = CONTEXT
) -> Judgement:
    return asyncio.run(runner.run(chain, content, context, on_error="hold", limits=PATIENT))


def here(chain: Chain, content: bytes = LARGE, context: Context = CONTEXT) -> Judgement:
    return run_chain(chain, content, context, limits=PATIENT)


def children(runner: ChainRunner) -> list[Child]:
    return list(runner._idle.queue)


def test_the_result_is_that_of_a_thread(runner: ChainRunner, chain: Chain) -> None:
    asked: list[tuple[str, ...]] = []

    def count(kind: str, handle: str, key: str, seconds: int) -> int:
        asked.append((kind, key))
        return 1

    context = replace(CONTEXT, count=count)
    there = run(runner, chain, context=context)
    assert asked == [("limit", "key")]
    assert there == here(chain, context=context)
    assert [one.target for one in there.plan.effects] == ["billing", "desk"]
    (child,) = children(runner)
    rest = after(chain, Effect(kind=EffectKind.HOLD, held_by="inbound/10.sieve"))
    assert run(runner, rest) == here(rest)
    assert [one.process.pid for one in children(runner)] == [child.process.pid]


def test_small_mail_starts_no_process(chain: Chain) -> None:
    assert not is_large(chain, MAIL)
    assert is_large(chain, b"x" * (LARGE_BYTES + 1))
    assert not is_large(replace(chain, files=()), LARGE)
    with started(patience_seconds=60) as runner:  # a busy machine may need it
        assert run(runner, chain, MAIL) == here(chain, MAIL)
        assert children(runner) == []


def test_a_small_mail_that_takes_long_is_judged_by_a_process(
    runner: ChainRunner, tmp_path: Path
) -> None:
    text = 'if address :contains "from" "zz" { stop; } fileinto "desk";'
    (tmp_path / "inbound").mkdir()
    (tmp_path / "inbound/10.sieve").write_text(text)
    chain = load_chain(tmp_path, ACME, "inbound")
    slow = b"From: " + b"a@b," * 12_000 + b"\r\n\r\n"
    assert not is_large(chain, slow)
    there = run(runner, chain, slow)
    assert [one.target for one in there.plan.effects] == ["desk"]
    assert there == here(chain, slow)
    assert len(children(runner)) == 1


def test_a_killed_process_is_replaced_and_the_mail_judged_again(
    runner: ChainRunner, chain: Chain
) -> None:
    run(runner, chain)
    (child,) = children(runner)
    os.kill(child.process.pid, signal.SIGKILL)
    assert run(runner, chain) == here(chain)
    (other,) = children(runner)
    assert other.process.pid != child.process.pid
    assert child.process.returncode == -signal.SIGKILL


def test_what_kills_two_processes_is_told(runner: ChainRunner, chain: Chain) -> None:
    killed: list[int] = []
    others = _children_of(os.getpid())

    def count(*_: object) -> int:
        """Asked by a child in the middle of a chain: this one dies of the mail."""
        (pid,) = _children_of(os.getpid()) - others
        os.kill(pid, signal.SIGKILL)
        killed.append(pid)
        return 0

    with pytest.raises(ChildLost):
        run(runner, chain, context=replace(CONTEXT, count=count))
    assert len(set(killed)) == 2
    assert children(runner) == []


def test_a_fault_of_ours_is_told_as_one(runner: ChainRunner, chain: Chain) -> None:
    broken = replace(chain, version="other", texts={**chain.texts, "inbound/10.sieve": "x"})
    with pytest.raises(ChildFault, match="does not compile here"):
        run(runner, broken)
    assert run(runner, chain) == here(chain)


def test_it_ends_its_processes(runner: ChainRunner, chain: Chain) -> None:
    run(runner, chain)
    (child,) = children(runner)
    runner.close()
    assert child.process.returncode is not None


def _children_of(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # this thread has just ended
            found.update(map(int, task.read_text().split()))
    return found
