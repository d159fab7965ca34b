from __future__ import annotations

import asyncio

from gateway.mailbox.slots import Slots
from tests.mailbox.world import run


async def most_at_once(slots: Slots, places: list[tuple[str, str]]) -> int:
    """Hold a slot for each (host, tenant), all of them together as far as it goes."""
    inside, most = 0, 0

    async def hold(host: str, tenant: str) -> None:
        nonlocal inside, most
        async with slots.of(host, tenant):
            inside += 1
            most = max(most, inside)
            for _ in range(5):
                await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(hold(*place) for place in places))
    return most


def test_a_host_and_a_tenant_have_their_bounds() -> None:
    async def work() -> None:
        slots = Slots(per_host=3, per_tenant=2)
        one_host = [("imap.163.com", f"tenant{number}") for number in range(9)]
        assert await most_at_once(slots, one_host) == 3
        one_tenant = [(f"host{number}", "acme") for number in range(9)]
        assert await most_at_once(slots, one_tenant) == 2

    run(work)


def test_a_tenant_that_waits_for_itself_takes_no_place_at_the_host() -> None:
    async def work() -> None:
        slots = Slots(per_host=2, per_tenant=1)
        entered = asyncio.Event()
        async with slots.of("imap.163.com", "acme"):
            waiting = asyncio.ensure_future(most_at_once(slots, [("imap.163.com", "acme")]))
            await asyncio.sleep(0)
            async with asyncio.timeout(30), slots.of("imap.163.com", "other"):
                entered.set()
        assert entered.is_set()
        assert await waiting == 1

    run(work)
