"""`python -m gateway`, begun in a fork of a process that has made the first imports already.

The fork runs the program from its first line to the interpreter's end, as a process of its
own: arguments, environment, directory, streams, signals and exit code are its own. Only what
every verb imports first, most of its processor time, was imported once for all. What a verb
needs beyond that it imports itself, so that nothing is there which would be missing elsewhere.

Streams must not be terminals, and variables that Python itself reads at its start are those
of the tests: what is about these is for a process that starts cold.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from gateway.cli import commands

ROOT = Path(__file__).parents[2]
FIRST = ("gateway.cli.commands", "typer._adapters")  # of every verb
MAX_REQUEST_BYTES = 1 << 20
NUMBER = struct.Struct("i")
DESCRIPTORS = 4  # the three streams, and where the process id and the exit code are told


class Process:
    """A running command, with what `subprocess.Popen` offers of it."""

    def __init__(
        self,
        *words: str,
        env: Mapping[str, str],
        cwd: Path | None = None,
        stdin: IO[Any] | None = None,
        stdout: IO[Any] | None = None,
        stderr: IO[Any] | None = None,
    ) -> None:
        request = {"words": words, "env": dict(env), "cwd": str(cwd or Path.cwd())}
        self._told, told = os.pipe()
        streams = [
            given.fileno() if given else own
            for own, given in enumerate((stdin, stdout, stderr))
        ]
        _ask(_warm(*words[:1]), request, [*streams, told])
        os.close(told)
        self.returncode: int | None = None
        self.pid = self._read()

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code, negative for a signal; raises TimeoutExpired."""
        if (code := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired("gateway", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], seconds)[0]:
            self.returncode = os.waitstatus_to_exitcode(self._read())
            os.close(self._told)
        return self.returncode

    def _read(self) -> int:
        if len(content := os.read(self._told, NUMBER.size)) < NUMBER.size:
            raise RuntimeError("the process that has made the imports has ended")
        number: int = NUMBER.unpack(content)[0]
        return number


def run(
    *words: str, env: Mapping[str, str], cwd: Path | None = None, seconds: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end; raises TimeoutExpired, the verb being killed."""
    with (
        TemporaryFile("w+", encoding="utf-8") as out,
        TemporaryFile("w+", encoding="utf-8") as err,
        Path(os.devnull).open("rb") as nothing,
    ):
        process = Process(*words, env=env, cwd=cwd, stdin=nothing, stdout=out, stderr=err)
        try:
            code = process.wait(seconds)
        finally:
            process.kill()
        said = [file.read() for file in (out, err) if not file.seek(0)]
    return subprocess.CompletedProcess(["gateway", *words], code, *said)


@cache
def _warm(word: str = "") -> socket.socket:
    """Return where to ask for commands that begin with this word."""
    _, first = _start()
    if not (modules := _first_imports(word)):
        return first
    mine, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with other, Path(os.devnull).open("wb") as nobody:
        _ask(first, {"modules": modules}, [other.fileno(), nobody.fileno()])
    return mine


def _ask(warm: socket.socket, request: Mapping[str, Any], given: Sequence[int]) -> None:
    socket.send_fds(warm, [json.dumps(request).encode()], given)


def _first_imports(word: str) -> list[str]:
    """Return what a command imports before it does anything."""
    noun_or_verb = word if word in commands.NOUNS else commands.VERBS.get(word, ("", ""))[1]
    modules = [f"gateway.cli.{noun_or_verb}"] if noun_or_verb else []
    return [*modules, "gateway.app.server"] if word == "serve" else modules


@cache
def _start() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the first that forks, which ends with this process, and return where to ask it."""
    mine, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with other:
        first = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.warm", str(other.fileno())],
            cwd=ROOT,
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    return first, mine


def _fork_for_requests(control: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Fork for each request; returns it in each fork, and None once no more can come."""
    asks = control.fileno()
    running: dict[int, tuple[int, int]] = {}  # by what tells of its end: who, and whom to tell
    while True:
        for ready in select.select([asks, *running], [], [])[0]:
            if ready != asks:
                _tell_end(ready, *running.pop(ready))
                continue
            request, given, _, _ = socket.recv_fds(control, MAX_REQUEST_BYTES, DESCRIPTORS)
            if not request:
                return None
            if not (pid := os.fork()):
                control.close()
                return json.loads(request), given
            *theirs, told = given
            os.write(told, NUMBER.pack(pid))
            for one in theirs:
                os.close(one)
            running[os.pidfd_open(pid)] = (pid, told)


def _tell_end(ended: int, pid: int, told: int) -> None:
    os.close(ended)
    _, status = os.waitpid(pid, 0)
    try:
        os.write(told, NUMBER.pack(status))
    except BrokenPipeError:
        pass  # nobody waits for it any more
    finally:
        os.close(told)


def _become(request: Mapping[str, Any]) -> None:
    """Take over what makes a process another one than that which made the imports."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.path[0] = request["cwd"]
    sys.argv[1:] = request["words"]
    runpy.run_module("gateway", run_name="__main__", alter_sys=True)


def _keep_only(given: Sequence[int], *, first: int) -> None:
    """Number the descriptors from `first` on; close all others above the streams."""
    for number, one in enumerate(given, first):
        os.dup2(one, number)
    os.closerange(first + len(given), os.sysconf("SC_OPEN_MAX"))


def _main(control: int, modules: Sequence[str]) -> None:
    while True:
        for module in modules:
            import_module(module)
        gc.collect()
        gc.freeze()
        if not (asked := _fork_for_requests(socket.socket(fileno=control))):
            return
        request, given = asked
        *theirs, _ = given
        if "words" in request:
            _keep_only(theirs, first=0)
            _become(request)
            return
        control, modules = 3, request["modules"]
        _keep_only(theirs, first=control)


if __name__ == "__main__":
    _main(int(sys.argv[1]), FIRST)
