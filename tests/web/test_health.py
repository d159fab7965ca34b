from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from gateway.web.health import HealthState, build
from gateway.web.metrics import Figures


async def answers() -> int:
    return 1


async def breaks() -> int:
    raise OSError("/secret/path: gone")


async def never() -> None:
    await asyncio.Event().wait()


async def figures() -> Figures:
    return Figures(queue={"queued": 3})


def get(
    page: str, *, waiting_for: list[str], store: Callable[[], Awaitable[Any]] = answers
) -> httpx.Response:
    state = HealthState(
        waiting_for=lambda: waiting_for, ask_store=store, measure=figures, store_seconds=0.1
    )

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(build(state))
        async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
            return await client.get(page)

    return asyncio.run(ask())


def test_it_is_healthy_while_the_store_answers() -> None:
    assert get("/healthz", waiting_for=["watchers"]).status_code == 200


@pytest.mark.parametrize("store", [breaks, never])
def test_a_store_that_does_not_answer_is_not_healthy(
    store: Callable[[], Awaitable[Any]],
) -> None:
    answer = get("/healthz", waiting_for=[], store=store)
    assert (answer.status_code, answer.text) == (503, "the store does not answer\n")


def test_it_is_ready_once_nothing_is_waited_for() -> None:
    missing = get("/readyz", waiting_for=["listener 587", "scheduler"])
    assert missing.status_code == 503
    assert missing.json() == {"ready": False, "waiting_for": ["listener 587", "scheduler"]}
    assert get("/readyz", waiting_for=[]).json() == {"ready": True, "waiting_for": []}
    assert get("/readyz", waiting_for=[]).status_code == 200


def test_metrics_are_prometheus_text() -> None:
    answer = get("/metrics", waiting_for=[])
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'gateway_queue_deliveries{state="queued"} 3.0' in answer.text


def test_there_is_no_other_page() -> None:
    for page in ("/", "/docs", "/openapi.json", "/v1"):
        assert get(page, waiting_for=[]).status_code == 404
