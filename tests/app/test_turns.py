from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.app.turns import Turns


class Work:
    """Performs messages one step at a time; `done` holds them in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.inside: list[str] = []
        self.beside: dict[str, list[str]] = {}
        self.most_inside = 0
        self.stuck = asyncio.Event()

    async def perform(self, message: str) -> None:
        self.beside[message] = list(self.inside)
        self.inside.append(message)
        self.most_inside = max(self.most_inside, len(self.inside))
        if message.startswith("slow"):
            await self.stuck.wait()
        await asyncio.sleep(0)
        self.inside.remove(message)
        self.done.append(message)


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for is elsewhere
        await asyncio.sleep(0)


def test_a_mailbox_with_a_thousand_messages_lets_the_others_have_their_turn() -> None:
    async def scenario() -> None:
        work = Work()
        turns = Turns(work.perform, most=2, a_mailbox=2)
        for number in range(1000):
            turns.put(f"many{number}", "many@x.example")
        await until(lambda: len(work.done) >= 10)
        turns.put("one", "one@x.example")
        await until(lambda: "one" in work.done)
        assert len(work.done) < 20
        await until(lambda: len(work.done) == 1001)
        assert [one for one in work.done if one != "one"] == [f"many{n}" for n in range(1000)]

    run(scenario)


def test_slow_messages_of_one_mailbox_leave_places_for_the_others() -> None:
    async def scenario() -> None:
        work = Work()
        turns = Turns(work.perform, most=3, a_mailbox=2)
        for number in range(5):
            turns.put(f"slow{number}", "slow@x.example")
        for number in range(9):
            turns.put(f"quick{number}", "quick@x.example")
        await until(lambda: len(work.done) == 9)
        assert (sorted(work.inside), work.most_inside) == (["slow0", "slow1"], 3)
        work.stuck.set()
        await until(lambda: len(work.done) == 14)

    run(scenario)


def test_what_is_known_is_not_begun_twice_and_may_come_again_later() -> None:
    async def scenario() -> None:
        work = Work()
        turns = Turns(work.perform, most=2, a_mailbox=2)
        for _ in range(3):
            turns.put("a", "box@x.example")
        await until(lambda: work.done == ["a"])
        turns.put("a", "box@x.example")
        await until(lambda: work.done == ["a", "a"])

    run(scenario)


def test_a_stop_ends_what_is_performed_and_begins_nothing() -> None:
    async def scenario() -> None:
        work = Work()
        turns = Turns(work.perform, most=1, a_mailbox=1)
        for number in range(3):
            turns.put(f"slow{number}", "box@x.example")
        await until(lambda: work.inside == ["slow0"])
        assert await turns.stop() == ["slow0"]
        work.stuck.set()
        await asyncio.sleep(0)
        assert (work.inside, work.done) == (["slow0"], [])

    run(scenario)


def test_what_is_put_alone_has_nothing_beside_it() -> None:
    async def scenario() -> None:
        work = Work()
        turns = Turns(work.perform, most=3, a_mailbox=2)
        turns.put("slow", "slow@x.example")
        for number in range(4):
            turns.put(f"alone{number}", f"{number % 2}@x.example", alone=True)
            turns.put(f"quick{number}", f"{number % 2}@x.example")
        await until(lambda: work.inside == ["slow"])
        work.stuck.set()
        await until(lambda: len(work.done) == 9)
        beside = {one: others for one, others in work.beside.items() if "alone" in one}
        assert beside == {f"alone{number}": [] for number in range(4)}
        assert not any("alone" in one for others in work.beside.values() for one in others)

    run(scenario)
