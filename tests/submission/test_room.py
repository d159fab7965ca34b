"""Large messages of many sessions at once, by real sockets; the room itself by itself."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest

from gateway.submission.room import SMALL_BYTES, Room, Share
from tests.submission.conftest import Client, Stage

MOST = 1_000_000
LARGE = 600_000
ENVELOPE = "MAIL FROM:<waits@acme.example>{}\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"
HEADER = b"From: waits@acme.example\r\nSubject: large\r\n\r\n"
LINE = b"x" * 70 + b"\r\n"
END = b".\r\n"


@pytest.fixture
def stage(open_stage: Callable[..., Stage]) -> Stage:
    return open_stage(max_message_bytes=MOST, max_bytes_at_once=MOST)


def content(size_bytes: int) -> bytes:
    return HEADER + LINE * (size_bytes // len(LINE))


def begin(client: Client, *, size: str = "") -> str:
    """Send an envelope; return what DATA is answered."""
    client.send(ENVELOPE.format(size).encode())
    assert [client.read()[:3] for _ in range(2)] == ["250", "250"]
    return client.read()


def pour(stage: Stage, client: Client) -> None:
    """Send a large content without its end; return once it is held."""
    assert begin(client).startswith("354 ")
    client.send(content(LARGE))
    stage.wait_until(lambda: stage.room.free_bytes <= MOST - LARGE + SMALL_BYTES + 500)


def finish(client: Client, data: bytes) -> str:
    client.send(data + END)
    return client.read()


def test_what_has_no_room_comes_again_and_small_mail_never_waits(stage: Stage) -> None:
    first, second, small = (stage.signed_in() for _ in range(3))
    pour(stage, first)
    assert begin(second).startswith("354 ")
    refused = finish(second, content(LARGE))
    assert refused.startswith("452 4.3.1 ")
    assert stage.room.free_bytes >= MOST - LARGE  # nothing of it is kept
    assert begin(small).startswith("354 ")
    assert finish(small, content(SMALL_BYTES - 1000)).startswith("250 ")
    assert finish(first, b"").startswith("250 ")
    assert begin(second).startswith("354 ")
    assert finish(second, content(LARGE)).startswith("250 ")
    assert stage.room.free_bytes == MOST
    assert [len(one.content) > LARGE - 1000 for one in stage.accepted] == [False, True, True]


def test_who_says_the_size_is_told_before_the_content(stage: Stage) -> None:
    first, second = stage.signed_in(), stage.signed_in()
    pour(stage, first)
    assert begin(second, size=f" SIZE={LARGE}").startswith("452 4.3.1 ")
    assert second.say("NOOP").startswith("250 ")
    assert finish(first, b"").startswith("250 ")
    assert second.say("DATA").startswith("354 ")
    assert stage.room.free_bytes == MOST - LARGE + SMALL_BYTES
    assert finish(second, content(1000)).startswith("250 ")
    assert stage.room.free_bytes == MOST


def test_the_room_of_a_client_that_vanishes_is_free_again(stage: Stage) -> None:
    client = stage.signed_in()
    pour(stage, client)
    client.close()
    stage.wait_until(lambda: stage.room.free_bytes == MOST)


def test_what_is_being_stored_has_its_room_though_its_client_has_vanished(
    stage: Stage,
) -> None:
    stage.call(stage.gate.clear)
    client = stage.signed_in()
    pour(stage, client)
    client.send(END)
    stage.wait_until(lambda: stage.waiting == 1)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()  # with a reset
    stage.wait_until(lambda: stage.listeners.sessions == 0)
    assert stage.room.free_bytes <= MOST - LARGE + SMALL_BYTES + 500
    stage.call(stage.gate.set)
    stage.wait_until(lambda: stage.room.free_bytes == MOST)
    assert len(stage.accepted) == 1


def test_what_is_too_large_holds_nothing_more_in_the_end(stage: Stage) -> None:
    client = stage.signed_in()
    assert begin(client).startswith("354 ")
    assert finish(client, content(MOST + 1000)).startswith("552 5.3.4 ")
    assert stage.room.free_bytes == MOST


def test_who_waits_gets_room_in_the_order_of_asking() -> None:
    async def work() -> list[str]:
        room, order = Room(100 + SMALL_BYTES), []

        async def take(name: str, size_bytes: int) -> None:
            assert await Share(room).grow(size_bytes + SMALL_BYTES)
            order.append(name)

        holder = Share(room)
        assert await holder.grow(60 + 2 * SMALL_BYTES)
        large = asyncio.ensure_future(take("large", 90))
        await asyncio.sleep(0)
        small = asyncio.ensure_future(take("small", 10))
        await asyncio.sleep(0)
        assert order == []  # though there is room for the small one
        holder.give_back()
        await asyncio.gather(large, small)
        return order

    assert asyncio.run(work()) == ["large", "small"]


def test_who_gives_up_waiting_makes_way_for_the_next() -> None:
    async def work() -> bool:
        room = Room(100)
        assert await room.take(60)
        impatient = asyncio.ensure_future(room.take(90))
        await asyncio.sleep(0)
        patient = asyncio.ensure_future(room.take(40))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert asyncio.run(work())
