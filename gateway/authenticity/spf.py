"""SPF (RFC 7208) by spf-engine's program, policyd-spf, in a few warm child processes.

Its public face is that program and Postfix's policy protocol: a question is `name=value` lines
and an empty line, the answer is one `action=` line and an empty line. A child keeps the thread
that DNS blocks, and spf-engine's habits (a new sys.excepthook, an open syslog), out of our
process; one that does not answer in time is killed, which is a temperror.

The words of an answer may hold text of the sender's own DNS. So only the result right after
our own authserv-id is read, and only in an answer that holds the token of its question: a
line smuggled into an earlier answer cannot know it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.mail.address import parse_address
from gateway.mail.inbound import AuthResult

CHILDREN = 2
ANSWER_SECONDS = 20.0  # the child itself gives up after 15 (policyd-spf.conf)
WAIT_SECONDS = 60.0  # for a free child
QUESTIONS_A_CHILD = 5000  # policyd-spf remembers each question for as long as it runs

PROGRAM = Path(__file__).with_name("spf_child.py")
CONFIG = Path(__file__).with_name("policyd-spf.conf")
ANSWER = re.compile(r"action=prepend Authentication-Results: gateway; spf=([a-z]+)\b")
RESULTS = frozenset({"pass", "fail", "softfail", "neutral", "none", "temperror", "permerror"})
HELO = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


class SpfChecker:
    """A bounded pool of policyd-spf children, started when first needed.

    `nameservers` are (address, port); none means the system's.
    """

    def __init__(
        self,
        nameservers: Sequence[tuple[str, int]] = (),
        *,
        children: int = CHILDREN,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._servers = [str(word) for server in nameservers for word in server]
        self._answer_seconds = answer_seconds
        self._places: asyncio.LifoQueue[_Child | None] = asyncio.LifoQueue()
        for _ in range(children):
            self._places.put_nowait(None)  # a place without a child yet

    async def check(self, *, client: str, helo: str, mail_from: str) -> AuthResult:
        """Judge the envelope sender `mail_from` as sent by the IP address `client`.

        An empty sender is judged as postmaster at the HELO name (RFC 7208 §2.4). Never raises
        for what stands in the arguments; a child without an answer is a temperror.
        """
        helo = helo if HELO.fullmatch(helo) else "unknown"
        sender = mail_from or f"postmaster@{helo}"
        try:
            domain = parse_address(sender).domain
            client = str(ipaddress.ip_address(client))
        except ValueError:
            return AuthResult(method="spf", result="none", reason="no sender that has SPF")
        question = {"client_address": client, "helo_name": helo, "sender": sender}
        result, reason = await self._ask(question)
        return AuthResult(method="spf", result=result, domain=domain, reason=reason)

    async def close(self) -> None:
        """End the children that are not answering; to be called when no check is under way."""
        while not self._places.empty():
            if child := self._places.get_nowait():
                await child.end()

    async def _ask(self, question: dict[str, str]) -> tuple[str, str]:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                child = await self._places.get()
        except TimeoutError:
            return "temperror", "too many SPF checks are waiting"
        fit = False
        try:
            async with asyncio.timeout(self._answer_seconds):
                child = child or await _start(self._servers)
                answer = await child.ask(question)
            fit = child.asked < QUESTIONS_A_CHILD
            return _read_answer(answer)
        except TimeoutError:
            return "temperror", "the SPF check took too long"
        except (OSError, EOFError) as error:
            return "temperror", f"the SPF check cannot run: {type(error).__name__}"
        finally:
            self._places.put_nowait(child if fit else None)
            if child and not fit:
                await child.end()


class _Child:
    """One running policyd-spf."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        *,
        questions: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
    ) -> None:
        self._process = process
        self._questions = questions
        self._answers = answers
        self.asked = 0

    async def ask(self, question: dict[str, str]) -> str:
        """Return the answer's line; raises EOFError when the child is gone or out of step."""
        self.asked += 1
        token = secrets.token_hex(8)
        lines = question | {"instance": token, "recipient": f"gateway@{token}"}
        text = "".join(f"{name}={value}\n" for name, value in lines.items())
        self._questions.write(text.encode("utf-8", "replace") + b"\n")
        await self._questions.drain()
        try:
            answer = await self._answers.readuntil(b"\n\n")
        except asyncio.LimitOverrunError as error:
            raise EOFError("an answer without end") from error
        line = answer.decode("utf-8", "replace")
        if line.startswith("action=prepend") and f"receiver={token}" not in line:
            raise EOFError("an answer to another question")
        return line

    async def end(self) -> None:
        """Kill the child and wait until it is gone; it holds nothing that could be lost."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


async def _start(servers: Sequence[str]) -> _Child:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(PROGRAM), str(CONFIG), *servers,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,  # an interrupt at our terminal is for us to handle
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise OSError("a child without pipes")
    return _Child(process, questions=process.stdin, answers=process.stdout)


def _environment() -> dict[str, str]:
    """Only what Python needs to find its packages: ours may hold secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return kept | {"PYTHONIOENCODING": "utf-8", "PYTHONWARNINGS": "ignore"}


def _read_answer(line: str) -> tuple[str, str]:
    found = ANSWER.match(line)
    if found and found[1] in RESULTS:
        return found[1], ""
    return "temperror", "the SPF check gave no result"
