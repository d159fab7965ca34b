from __future__ import annotations

import asyncio

import pytest

from gateway.app.listening import TRY_SECONDS, open_listeners
from gateway.config import ConfigError, ListenerSettings, SubmissionSettings


def test_an_address_that_is_not_ours_is_told_at_once_and_one_in_use_is_waited_for() -> None:
    async def listen(address: str) -> str:
        settings = SubmissionSettings(listeners=(ListenerSettings(address=address),))
        async with asyncio.timeout(TRY_SECONDS / 2):
            (found,) = await open_listeners(settings)
        with found, pytest.raises(TimeoutError):
            await listen(f"127.0.0.1:{found.getsockname()[1]}")
        return address

    with pytest.raises(ConfigError, match=r"'192\.0\.2\.1:0': cannot be opened"):
        asyncio.run(listen("192.0.2.1:0"))
    assert asyncio.run(listen("127.0.0.1:0"))
