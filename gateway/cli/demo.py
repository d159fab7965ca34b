"""`gateway demo`: the whole journey on this machine alone, with a sandbox for a provider.

The gateway is the real one, on real sockets, with a directory of its own that is removed at
the end. Its provider, its customers, their DNS and the helpdesk are the sandbox's.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from gateway import log_formats
from gateway.app import reactor
from gateway.app.server import Server
from gateway.authenticity.origin import authenticate, make_checker
from gateway.authenticity.trace import TrustedHops
from gateway.cli import apply, demo_files, log
from gateway.cli.demo_files import ANN, BOB, HOOK_SECRET, MAILBOX_CODE, PASSWORD, SUPPORT, Ports
from gateway.cli.output import print_line
from gateway.cli.refusal import Refusal
from gateway.config import load_settings
from gateway.mail.message import parse_message
from gateway.sandbox.helpdesk import Hook
from gateway.sandbox.transaction import Captured
from gateway.sandbox.world import World, WorldSettings, open_world

WAIT_SECONDS = 30.0


def run_demo(*, once: bool) -> None:
    """Run the tour; with `once` end after it, else stay up until SIGINT or SIGTERM.

    Raises Refusal when a step of the tour did not happen.
    """
    demo = Demo()

    async def begin() -> bool:
        await demo.run()
        return not once

    try:
        reactor.run(begin, demo.close)
    except (TimeoutError, OSError, smtplib.SMTPException) as error:
        reason = str(error) or "a step did not happen in time"
        raise Refusal(f"the demo stopped: {reason}") from error


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that is up while the tour runs."""

    home: Path
    config: Path
    ports: Ports
    world: World


class Demo:
    """The tour: each step is printed with the time since the start."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._begun = time.monotonic()

    async def run(self) -> None:
        """Start everything and lead through it. Raises TimeoutError when a step fails."""
        stage = await self._set_up()
        first = await self._send_from_helpdesk(stage)
        await self._answer_from_customer(stage, first)
        second = await self._write_from_stranger(stage)
        await self._print_timelines(stage, first.id, second)
        _print_what_to_try(stage)

    async def close(self) -> None:
        """Stop everything and remove the directory."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._stack.aclose()

    async def _set_up(self) -> Stage:
        home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-")))
        logged = self._stack.enter_context((home / "gateway.log").open("w"))
        log_formats.set_up(log_format="text", stream=logged)
        customer, zone = demo_files.make_customer()
        settings = WorldSettings(directory=home / "sandbox", zone=zone, hook_secret=HOOK_SECRET)
        world = await self._stack.enter_async_context(open_world(settings))
        for address in (SUPPORT, ANN, BOB):
            world.mailboxes.add_account(address, MAILBOX_CODE)
        self._customer = customer
        ports = Ports.choose()
        config = demo_files.write(home, world, ports)
        await asyncio.to_thread(apply.apply, home / "shop.toml", config=config, as_json=False)
        shop = await asyncio.to_thread(demo_files.shop_zone, config)
        world.zone.records = {**zone, **shop}
        server = Server(load_settings(config))
        await server.start()
        self._stack.push_async_callback(server.stop)
        self._step("started", f"the gateway, a sandbox provider, a helpdesk; all in {home}")
        return Stage(home, config, ports, world)

    async def _send_from_helpdesk(self, stage: Stage) -> _Sent:
        sent = await asyncio.to_thread(_submit, stage)
        self._step("accepted", f"the helpdesk's mail to {ANN}: on disk, then 250 {sent.id}")
        captured = await self._wait_for_mail(stage, to=ANN)
        proven = await self._prove(stage, captured)
        self._step(
            "signed", f"DKIM {proven} for shop.example, checked against the sandbox's DNS"
        )
        self._step("delivered", f"through the shop's own upstream, as {captured.user}")
        return _Sent(sent.id, sent.message_id, captured.content)

    async def _answer_from_customer(self, stage: Stage, first: _Sent) -> None:
        stage.world.reply(
            first.content, "Thank you! And the invoice?", customer=ANN, sign=self._customer
        )
        self._step("written", f"{ANN} answers into {SUPPORT}")
        hook = await self._wait_for_hook(stage, sender=ANN)
        data = hook.payload["data"]
        threads = "in its thread" if data["in_reply_to"] == first.message_id else "NOT threaded"
        self._step("received", f"by the helpdesk's webhook, {threads}: {data['reply_text']!r}")

    async def _write_from_stranger(self, stage: Stage) -> str:
        letter = demo_files.letter_from(BOB)
        stage.world.write(letter, mailbox=SUPPORT, sender=BOB, sign=self._customer)
        self._step("written", f"{BOB} asks for the first time")
        hook = await self._wait_for_hook(stage, sender=BOB)
        self._step(
            "received", f"by the helpdesk's webhook, signature verified: {hook.verified}"
        )
        answer = await self._wait_for_mail(stage, to=BOB)
        subject = parse_message(answer.content).text("Subject")
        self._step("answered", f"by the policy 50-received.sieve: {subject!r}")
        return str(hook.payload["data"]["id"])

    async def _print_timelines(self, stage: Stage, *ids: str) -> None:
        for id_ in ids:
            print_line("")
            print_line(f"$ gateway log trace {id_}", style="bold")
            await asyncio.to_thread(log.trace, id_, config=stage.config, as_json=False)

    async def _wait_for_mail(self, stage: Stage, *, to: str) -> Captured:
        def is_to(captured: Captured) -> bool:
            return any(str(one.address) == to for one in captured.envelope.recipients)

        return await stage.world.upstream.captured.wait_for(is_to, seconds=WAIT_SECONDS)

    async def _wait_for_hook(self, stage: Stage, *, sender: str) -> Hook:
        def is_from(hook: Hook) -> bool:
            payload = hook.payload
            is_mail = payload["type"] == "message.received"
            return bool(is_mail and payload["data"]["from"]["address"] == sender)

        return await stage.world.helpdesk.received.wait_for(is_from, seconds=WAIT_SECONDS)

    async def _prove(self, stage: Stage, captured: Captured) -> str:
        checker = make_checker(load_settings(stage.config).dns)
        try:
            message = parse_message(captured.content)
            found = await authenticate(message, hops=TrustedHops(), checker=checker)
        finally:
            await checker.close()
        return found.result("dkim")

    def _step(self, name: str, sentence: str) -> None:
        print_line(f"{time.monotonic() - self._begun:6.2f} s  {name:<10} {sentence}")


@dataclass(frozen=True, slots=True)
class _Sent:
    id: str
    message_id: str
    content: bytes = b""


def _submit(stage: Stage) -> _Sent:
    message = EmailMessage()
    message["From"] = SUPPORT
    message["To"] = ANN
    message["Subject"] = "Your order 4711"
    message["Message-ID"] = "<ticket-4711@desk.shop.example>"
    message.set_content("Hello Ann,\n\nyour order is on its way.\n")
    trusted = ssl.create_default_context(cafile=str(stage.home / "state/ca.pem"))
    with smtplib.SMTP("localhost", stage.ports.starttls, timeout=WAIT_SECONDS) as client:
        client.starttls(context=trusted)
        client.login("shop.helpdesk", PASSWORD)
        client.mail(SUPPORT)
        client.rcpt(ANN)
        code, reply = client.data(message.as_bytes(policy=SMTP))
    if code != 250:
        raise smtplib.SMTPDataError(code, reply)
    id_ = reply.decode().rpartition(" ")[2]
    return _Sent(id_, str(message["Message-ID"]))


def _print_what_to_try(stage: Stage) -> None:
    server = f"127.0.0.1:{stage.ports.plain}"
    print_line("")
    print_line("The books balance: " + f"gateway status --config {stage.config}")
    print_line(f"Your login: shop.helpdesk, password {PASSWORD}, server {server}")
    print_line(
        f"Try it: swaks --server {server} --auth PLAIN --auth-user shop.helpdesk"
        f" --auth-password {PASSWORD} --from {SUPPORT} --to {ANN}"
    )
    print_line("Stop it: Ctrl-C")
