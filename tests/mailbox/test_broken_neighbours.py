"""One broken mailbox among many: it hangs or talks nonsense, and the others get their mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.mail.inbound import Fetched
from gateway.mail.tenant import Tenant
from gateway.sandbox.mailbox import MailboxServer
from gateway.sandbox.quirks import GMAIL_THROTTLE, Quirks
from tests.mailbox.world import World, mailbox_at, run, until, world

CODE = "authorization-code"
SOUND = [f"box{number}@shop.example" for number in range(60)]
BROKEN = {
    "silent@shop.example": Quirks(instead={"FETCH": b""}),
    "middle@shop.example": Quirks(instead={"FETCH": b"* 1 FETCH (UID 1 BODY[] {900}\r\nab"}),
    "garbage@shop.example": Quirks(instead={"FETCH": b"\x00\xff what?\r\n"}),
    "pieces@shop.example": Quirks(pieces_of=1),
    "poison@shop.example": Quirks(throttled=GMAIL_THROTTLE),
}
UNOPENED = "login@shop.example"


@dataclass
class Street:
    """A provider with sound and broken mailboxes, another that hangs in the sign-in."""

    server: MailboxServer
    hanging: MailboxServer
    here: World


@asynccontextmanager
async def street(path: Path) -> AsyncIterator[Street]:
    """Everybody is watched, and the broken ones are in the middle of what they do."""
    async with AsyncExitStack() as ending:
        server, hanging = MailboxServer(), MailboxServer()
        hanging.quirks = Quirks(instead={"LOGIN": b""})
        for one in (server, hanging):
            await one.start()
            ending.push_async_callback(one.stop)
        for address in (*SOUND, *BROKEN):
            server.add_account(address, CODE)
        mailbox = mailbox_at(hanging.port, UNOPENED)
        here = await ending.enter_async_context(world(path, mailbox, CODE, threads=64))
        here.secrets.update(dict.fromkeys([*SOUND, *BROKEN], CODE))
        boxes = {one: mailbox_at(server.port, one) for one in (*SOUND, *BROKEN)}
        here.watchers.update({"acme": Tenant(id="acme", mailboxes={UNOPENED: mailbox} | boxes)})
        await until(lambda: here.states.count("ok") == len(boxes), what="the sign-ins")
        yield Street(server, hanging, here)


def letter(address: str, *, size_bytes: int = 100) -> bytes:
    head = f"From: ann@example.net\r\nTo: {address}\r\nSubject: Hello\r\n\r\n"
    return f"{head}{'x' * size_bytes}\r\n".encode()


def break_all(server: MailboxServer) -> None:
    for address, quirks in BROKEN.items():
        server.account(address).quirks = quirks
        server.deliver(address, letter(address, size_bytes=20_000))


def test_mail_of_the_others_arrives_while_the_broken_ones_hang(tmp_path: Path) -> None:
    async def work() -> None:
        async with street(tmp_path) as here:
            break_all(here.server)
            for address in SOUND:
                here.server.deliver(address, letter(address))
            await mail_of_all_sound(here.here)
            open_ = {one.account.address for one in here.server.sessions if one.account}
            assert open_ >= {"silent@shop.example", "middle@shop.example", *SOUND}
            assert len(here.hanging.sessions) == 1

    run(work)


async def mail_of_all_sound(here: World) -> None:
    """Return once each of them has its letter; more may have come of a broken one."""
    messages: list[Fetched] = []
    while not {one.mailbox for one in messages} >= set(SOUND):
        messages = await here.messages(len(messages) + 1)
