"""`gateway demo`: the whole circle on this machine alone, with a sandbox for a provider.

The gateway is the real one, on real sockets, with a directory of its own that is removed at
the end. Its provider, its customers, their DNS and the helpdesk are the sandbox's.
"""

from __future__ import annotations

import asyncio
import smtplib
import sys
import tempfile
import time
from contextlib import AsyncExitStack, nullcontext, redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import Any

from gateway import log_formats
from gateway.app import reactor
from gateway.app.server import Server
from gateway.authenticity.origin import authenticate, make_checker
from gateway.authenticity.trace import TrustedHops
from gateway.cli import apply, demo_files, log, status
from gateway.cli.demo_files import (
    ALERTS,
    ALERTS_KEY,
    ANN,
    BOB,
    HOOK_SECRET,
    LOGIN,
    MAILBOX_CODE,
    PASSWORD,
    SUPPORT,
    Ports,
)
from gateway.cli.demo_renewal import show_renewal
from gateway.cli.demo_stage import LOOK_SECONDS, WAIT_SECONDS, Stage
from gateway.cli.opening import opened
from gateway.cli.output import print_json, print_line, print_next
from gateway.cli.refusal import Refusal
from gateway.config import load_settings
from gateway.mail.message import parse_message
from gateway.sandbox.transaction import Captured
from gateway.sandbox.world import WorldSettings, open_world
from gateway.store import books
from gateway.store.alerts import waiting_alerts
from gateway.store.sqlite import Db


def run_demo(*, once: bool, as_json: bool = False) -> None:
    """Run the tour; with `once` end after it, else stay up until SIGINT or SIGTERM.

    With `as_json` what is told to people goes to standard error, and one document to standard
    output when the tour is over. Raises Refusal when a step of the tour did not happen.
    """
    demo = Demo(stays=not once)

    async def begin() -> bool:
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            tour = await demo.run()
        if as_json:
            print_json(tour)
        return not once

    try:
        reactor.run(begin, demo.close)
    except (TimeoutError, OSError, smtplib.SMTPException) as error:
        said = getattr(error, "strerror", None) or str(error)
        reason = said or "a step did not happen in time"
        raise Refusal(f"the demo stopped: {reason}") from error


class Demo:
    """The tour: each step is printed with the time since the start.

    One that stays tells how to play with it.
    """

    def __init__(self, *, stays: bool) -> None:
        self._stack = AsyncExitStack()
        self._stays = stays

    async def run(self) -> dict[str, Any]:
        """Start everything, lead through it, and return what was shown.

        Raises TimeoutError when a step fails, Refusal when the books do not balance.
        """
        stage = await self._set_up()
        first = await _send_from_helpdesk(stage)
        second = await _write_from_stranger(stage)
        third = await show_renewal(stage)
        await _print_timelines(stage, first, second, third)
        await _print_books(stage)
        if self._stays:
            _print_what_to_try(stage)
        else:
            print_next("gateway init --local")
        return {
            "steps": [asdict(one) for one in stage.steps],
            "messages": [first, second, third],
            "config": str(stage.config),
            "login": {"username": LOGIN, "password": PASSWORD, "server": stage.server},
        }

    async def close(self) -> None:
        """Stop everything and remove the directory."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                await self._stack.aclose()

    async def _set_up(self) -> Stage:
        begun = time.monotonic()
        home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-")))
        logged = self._stack.enter_context((home / "gateway.log").open("w"))
        log_formats.set_up(log_format="text", stream=logged)
        customer, zone = demo_files.make_customer()
        settings = WorldSettings(
            directory=home / "sandbox",
            zone=zone,
            hook_secret=HOOK_SECRET,
            logins={SUPPORT: MAILBOX_CODE, ALERTS: ALERTS_KEY},
        )
        world = await self._stack.enter_async_context(open_world(settings))
        for address in (SUPPORT, ANN, BOB):
            world.mailboxes.add_account(address, MAILBOX_CODE)
        with Ports.reserve() as ports:
            config = demo_files.write(home, world, ports)
            tenant = home / "shop.toml"
            await asyncio.to_thread(apply.apply, tenant, config=config, as_json=False)
            shop = await asyncio.to_thread(demo_files.shop_zone, config)
        world.zone.records = {**zone, **shop}
        server = Server(load_settings(config))
        await server.start()
        self._stack.push_async_callback(server.stop)
        stage = Stage(home, config, ports, world, customer, begun)
        stage.step("started", f"the gateway, a sandbox provider, a helpdesk; all in {home}")
        return stage


async def _send_from_helpdesk(stage: Stage) -> str:
    text = "Hello Ann,\n\nyour order is on its way.\n"
    sent = await stage.submit(ANN, subject="Your order 4711", text=text)
    stage.step("accepted", f"the helpdesk's mail to {ANN}: on disk, then 250 {sent.id}")
    captured = await stage.mail_to(ANN)
    proven = await _prove(stage, captured)
    stage.step("signed", f"DKIM {proven} for shop.example, checked against the sandbox's DNS")
    stage.step("delivered", f"through the shop's own account, as {captured.user}")
    text = "Thank you! And the invoice?"
    stage.world.reply(captured.content, text, customer=ANN, sign=stage.customer)
    stage.step("written", f"{ANN} answers into {SUPPORT}")
    data = (await stage.mail_from(ANN)).payload["data"]
    threads = "in its thread" if data["in_reply_to"] == sent.message_id else "NOT threaded"
    stage.step("received", f"by the helpdesk's webhook, {threads}: {data['reply_text']!r}")
    return sent.id


async def _write_from_stranger(stage: Stage) -> str:
    letter = demo_files.letter_from(BOB, asks="Do you ship to Norway?")
    stage.world.write(letter, mailbox=SUPPORT, sender=BOB, sign=stage.customer)
    stage.step("written", f"{BOB} asks for the first time")
    hook = await stage.mail_from(BOB)
    stage.step("received", f"by the helpdesk's webhook, signature verified: {hook.verified}")
    answer = await stage.mail_to(BOB)
    subject = parse_message(answer.content).text("Subject")
    stage.step("answered", f"by the policy 50-received.sieve: {subject!r}")
    sent = len(stage.world.upstream.captured)
    await stage.copies(sent)
    stage.step("copied", f"all {sent} that left, into the mailbox's own folder for sent mail")
    return str(hook.payload["data"]["id"])


async def _print_timelines(stage: Stage, *ids: str) -> None:
    for id_ in ids:
        print_line("")
        print_line(f"$ gateway log trace {id_}", style="bold")
        await asyncio.to_thread(log.trace, id_, config=stage.config, as_json=False)


async def _print_books(stage: Stage) -> None:
    await asyncio.to_thread(_wait_for_the_last, stage.config)
    print_line("")
    print_line("$ gateway status", style="bold")
    await asyncio.to_thread(status.status, config=stage.config)


def _wait_for_the_last(config: Path) -> None:
    """Wait for what the last steps left on its way: copies, events, alerts."""
    until = time.monotonic() + WAIT_SECONDS
    with opened(config) as gateway:
        while time.monotonic() < until and gateway.store.read_now(_is_under_way):
            Event().wait(LOOK_SECONDS)


def _is_under_way(db: Db) -> bool:
    pages = (books.outbound(db, page=page) for page in status.PAGES)
    return any(one.waiting for one in pages) or bool(waiting_alerts(db))


async def _prove(stage: Stage, captured: Captured) -> str:
    checker = make_checker(load_settings(stage.config).dns)
    try:
        message = parse_message(captured.content)
        found = await authenticate(message, hops=TrustedHops(), checker=checker)
    finally:
        await checker.close()
    return found.result("dkim")


def _print_what_to_try(stage: Stage) -> None:
    server = stage.server
    print_line("")
    print_line(f"Look around: gateway status --config {stage.config}")
    print_line(f"Your login: {LOGIN}, password {PASSWORD}, server {server}")
    print_line(
        f"Try it: swaks --server {server} --auth PLAIN --auth-user {LOGIN}"
        f" --auth-password {PASSWORD} --from {SUPPORT} --to {ANN}"
    )
    print_line("Stop it: Ctrl-C")
