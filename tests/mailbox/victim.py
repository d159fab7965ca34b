"""A process that watches one mailbox and dies of a message that says POISON.

    victim.py DIRECTORY PORT ADDRESS PASSWORD

It prints the subject of each message that arrived, and ends when stdin closes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.store.sqlite import Db
from tests.mailbox.world import World, mailbox_at, run, world


def die_of_poison(db: Db) -> None:
    """End the process in the middle of storing a message that says POISON."""
    db.create_function("die", 0, lambda: os._exit(66))
    db.execute(
        "CREATE TEMP TRIGGER poison BEFORE INSERT ON main.inbox WHEN NEW.state = 'fetched' AND"
        " (SELECT instr(bytes, CAST('POISON' AS BLOB)) FROM content"
        " WHERE message = NEW.message)"
        " BEGIN SELECT die(); END"
    )


async def watch() -> None:
    directory, port, address, password = sys.argv[1:]
    async with world(Path(directory), mailbox_at(int(port), address), password) as here:
        await here.store.write(die_of_poison)
        here.watch()
        stopping = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        said = 0
        while not stopping.done():
            said = await tell(here, said)
            await asyncio.wait([stopping], timeout=0.02)


async def tell(here: World, said: int) -> int:
    messages = await here.all_messages()
    for one in messages[said:]:
        print(one.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode(), flush=True)
    return len(messages)


if __name__ == "__main__":
    run(watch)
