from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from gateway.submission.tally import RING, FailureCount, Tally, open_memory

ANN, BEN = "192.0.2.1", "2001:db8::1"


@pytest.fixture
def memory() -> Iterator[int]:
    number = open_memory(parts=2)
    yield number
    os.close(number)


@pytest.fixture
def tallies(memory: int) -> list[Tally]:
    """The counters as each of two processes has them."""
    return [Tally.shared(memory, part=part) for part in range(2)]


def test_sessions_add_up_over_processes_in_all_and_by_address(tallies: list[Tally]) -> None:
    for tally in (*tallies, tallies[0]):
        tally.opened(ANN)
    tallies[1].opened(BEN)
    for tally in tallies:
        assert (tally.sessions, tally.sessions_of(ANN), tally.sessions_of(BEN)) == (4, 3, 1)
    tallies[0].closed(ANN)
    assert (tallies[1].sessions, tallies[1].sessions_of(ANN)) == (3, 2)


def test_a_process_that_is_gone_has_no_sessions_but_its_failures_count(
    memory: int, tallies: list[Tally]
) -> None:
    gone, lives = tallies
    gone.opened(ANN)
    lives.opened(ANN)
    FailureCount(gone, seconds=600).add(ANN, now=1.0)
    again = Tally.shared(memory, part=0)
    again.forget_sessions()
    assert (lives.sessions, lives.sessions_of(ANN)) == (1, 1)
    assert FailureCount(again, seconds=600).count(ANN, now=2.0) == 1


def test_failures_add_up_over_processes_and_pass(tallies: list[Tally]) -> None:
    counts = [FailureCount(one, seconds=600) for one in tallies]
    for at, count in enumerate([*counts, *counts]):
        count.add(ANN, now=float(at))
    counts[0].add(BEN, now=4.0)
    assert [one.count(ANN, now=5.0) for one in counts] == [4, 4]
    assert [one.count(BEN, now=5.0) for one in counts] == [1, 1]
    assert [one.count(ANN, now=601.0) for one in counts] == [2, 2]
    assert [one.count(ANN, now=700.0) for one in counts] == [0, 0]


def test_of_a_flood_of_failures_the_last_ones_count(tallies: list[Tally]) -> None:
    writer, reader = (FailureCount(one, seconds=600) for one in tallies)
    writer.add(ANN, now=0.0)
    for _ in range(RING):
        writer.add(BEN, now=0.0)
    assert reader.count(BEN, now=1.0) == RING
    assert reader.count(ANN, now=1.0) == 0


def test_no_two_servers_give_an_address_the_same_place() -> None:
    """Nobody outside can choose an address that is counted with another one's."""
    assert Tally.alone().name_of(ANN) != Tally.alone().name_of(ANN)
