"""A warm start is seen by nobody: neither by the command nor by who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.servers import warm
from tests.servers.ports import wait_until


@pytest.mark.parametrize("words", ["tenant list --json", "tenant lst", "", "log trace x"])
def test_a_verb_says_and_returns_what_it_does_when_it_starts_cold(
    tmp_path: Path, words: str
) -> None:
    (tmp_path / "gateway.conf").write_text('[server]\nstate = "state"\n')
    mine = {"PYTHONPATH": str(warm.ROOT), "GATEWAY_CONFIG": ""}
    env, split = os.environ | mine, words.split()
    cold = subprocess.run(
        [sys.executable, "-m", "gateway", *split],
        cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    done = warm.run(*split, env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (
        cold.returncode, cold.stdout, cold.stderr,
    )  # fmt: skip


def test_a_process_holds_no_file_of_those_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "gateway.conf").write_text('[server]\nstate = "state"\n')
    env = os.environ | {"GATEWAY_CONFIG": str(tmp_path / "gateway.conf")}
    process = warm.Process("status", "--wait", "60", env=env, cwd=tmp_path)
    at = Path(f"/proc/{process.pid}")
    try:
        wait_until(lambda: (at / "cwd").readlink() == tmp_path, what=lambda: "its beginning")
        forked_by = int((at / "stat").read_text().rpartition(")")[2].split()[1])
        assert files(forked_by)
        assert not files(process.pid) & (files(forked_by) | files(os.getpid()))
    finally:
        process.kill()
        process.wait()


def test_how_a_process_ended_is_told_as_often_as_one_asks(tmp_path: Path) -> None:
    env = os.environ | {"GATEWAY_CONFIG": str(tmp_path / "none")}
    process = warm.Process("status", "--wait", "60", env=env)
    process.kill()
    assert [process.wait(60), process.wait(), process.poll()] == [-signal.SIGKILL] * 3
    process.kill()


def files(pid: int) -> set[str]:
    """The numbers of the pipes and sockets that a process has besides its streams."""
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile, as what we list it by
            found |= {str(one.readlink())} if int(one.name) > 2 else set()
    return {name for name in found if name.startswith(("pipe:", "socket:"))}
