from __future__ import annotations

import asyncio
import signal
from typing import Any

import httpx
import pytest

from gateway.config import ConfigError
from gateway.web.serving import Serving, serve_web


async def hello(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer every request."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_it_serves_in_the_loop_that_runs_and_leaves_signals_alone(address: str) -> None:
    async def visit() -> str:
        before = signal.getsignal(signal.SIGTERM)
        serving = await serve_web(hello, address)
        host = address.rpartition(":")[0]
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{host}:{serving.port}/")
        assert signal.getsignal(signal.SIGTERM) is before
        await serving.stop()
        await assert_closed(serving)
        return answer.text

    assert asyncio.run(visit()) == "hello"


async def assert_closed(serving: Serving) -> None:
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", serving.port)


def test_an_address_that_cannot_be_had_is_told_with_its_key() -> None:
    async def twice() -> None:
        serving = await serve_web(hello, "127.0.0.1:0")
        try:
            await serve_web(hello, f"127.0.0.1:{serving.port}")
        finally:
            await serving.stop()

    with pytest.raises(ConfigError, match=r"\[console\] address '127.0.0.1:\d+': .*in use$"):
        asyncio.run(twice())
    with pytest.raises(ConfigError, match=r"\[console\] address 'nonsense'"):
        asyncio.run(serve_web(hello, "nonsense"))
