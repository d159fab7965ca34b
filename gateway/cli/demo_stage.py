"""What is up while the demo runs, and what the tour does there: hand in, look, tell."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from threading import Event
from typing import Any

from gateway.cli.demo_files import LOGIN, PASSWORD, SUPPORT, Ports
from gateway.cli.output import print_line
from gateway.sandbox.helpdesk import Hook
from gateway.sandbox.transaction import Captured
from gateway.sandbox.world import World

WAIT_SECONDS = 30.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail of the helpdesk: our id, its Message-ID."""

    id: str
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the tour, as it was told."""

    name: str
    seconds: float  # since the start
    detail: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that is up while the tour runs; waits raise TimeoutError."""

    home: Path
    config: Path
    ports: Ports
    world: World
    customer: Callable[[bytes], bytes]  # signs as the customers' provider does
    begun: float = field(default_factory=time.monotonic)
    steps: list[Step] = field(default_factory=list)

    @property
    def server(self) -> str:
        """Where a helpdesk hands in on this machine."""
        return f"127.0.0.1:{self.ports.plain}"

    def step(self, name: str, sentence: str) -> None:
        """Print a step with the time since the start, and keep it."""
        seconds = time.monotonic() - self.begun
        self.steps.append(Step(name=name, seconds=round(seconds, 2), detail=sentence))
        print_line(f"{seconds:6.2f} s  {name:<10} {sentence}")

    async def submit(self, to: str, *, subject: str, text: str) -> Sent:
        """Hand in a mail as the helpdesk does; raises OSError and SMTPException."""
        return await asyncio.to_thread(self._submit, to, subject, text)

    async def mail_to(self, address: str, *, about: str = "") -> Captured:
        """Wait for a mail to `address` whose content has `about` in it."""

        def is_wanted(captured: Captured) -> bool:
            to = [str(one.address) for one in captured.envelope.recipients]
            return address in to and about.encode() in captured.content

        return await self.world.upstream.captured.wait_for(is_wanted, seconds=WAIT_SECONDS)

    async def mail_from(self, customer: str) -> Hook:
        """Wait until the helpdesk has a mail of `customer`."""

        def is_from(data: dict[str, Any]) -> bool:
            return bool(data["from"]["address"] == customer)

        return await self.hook("message.received", is_from)

    async def hook(self, type_: str, is_wanted: Callable[[dict[str, Any]], bool]) -> Hook:
        """Wait for a webhook by its type and its data."""

        def fits(hook: Hook) -> bool:
            payload = hook.payload
            return bool(payload["type"] == type_ and is_wanted(payload["data"]))

        return await self.world.helpdesk.received.wait_for(fits, seconds=WAIT_SECONDS)

    async def copies(self, count: int) -> None:
        """Wait until the shop's folder for sent mail has so many letters."""
        folder = self.world.mailboxes.folder(SUPPORT, "Sent")

        def look() -> None:
            until = time.monotonic() + WAIT_SECONDS
            while len(folder.letters) < count and time.monotonic() < until:
                Event().wait(LOOK_SECONDS)

        await asyncio.to_thread(look)
        if len(folder.letters) < count:
            raise TimeoutError("the folder for sent mail did not get its copies")

    def _submit(self, to: str, subject: str, text: str) -> Sent:
        message = EmailMessage()
        message["From"] = SUPPORT
        message["To"] = to
        message["Subject"] = subject
        number = len(self.world.upstream.captured)
        message["Message-ID"] = f"<ticket-{4711 + number}@desk.shop.example>"
        message.set_content(text)
        trusted = ssl.create_default_context(cafile=str(self.home / "state/ca.pem"))
        with smtplib.SMTP("localhost", self.ports.starttls, timeout=WAIT_SECONDS) as client:
            client.starttls(context=trusted)
            client.login(LOGIN, PASSWORD)
            client.mail(SUPPORT)
            client.rcpt(to)
            code, reply = client.data(message.as_bytes(policy=SMTP))
        if code != 250:
            raise smtplib.SMTPDataError(code, reply)
        return Sent(reply.decode().rpartition(" ")[2], str(message["Message-ID"]))
