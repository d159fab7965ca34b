import asyncio

import pytest

from gateway.sandbox.arrivals import Arrivals


def test_the_oldest_go_first() -> None:
    arrivals: Arrivals[int] = Arrivals(kept=2)
    for number in range(3):
        arrivals.add(number)
    assert list(arrivals) == [1, 2]


def test_a_past_arrival_is_found_at_once() -> None:
    async def wait() -> int:
        arrivals: Arrivals[int] = Arrivals()
        arrivals.add(1)
        return await arrivals.wait_for(seconds=0.01)

    assert asyncio.run(wait()) == 1


def test_a_wait_ends_with_the_arrival_that_is_wanted() -> None:
    async def wait() -> int:
        arrivals: Arrivals[int] = Arrivals()
        loop = asyncio.get_running_loop()
        for number in range(3):
            loop.call_soon(arrivals.add, number)
        return await arrivals.wait_for(lambda number: number == 2, seconds=5)

    assert asyncio.run(wait()) == 2


def test_a_wait_for_nothing_ends() -> None:
    arrivals: Arrivals[int] = Arrivals()
    with pytest.raises(TimeoutError):
        asyncio.run(arrivals.wait_for(seconds=0.01))
