from __future__ import annotations

import asyncio
import logging

import httpx
import pytest
from fastapi import FastAPI

from gateway.store.errors import StoreFull
from gateway.web.faults import answer_faults


@pytest.mark.parametrize(
    ("error", "code"), [(StoreFull("disk of geheim"), 503), (ValueError("geheim"), 500)]
)
def test_a_fault_is_answered_in_words_and_told_without_the_links_secret(
    error: Exception, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    pages = FastAPI()
    answer_faults(pages)

    @pages.get("/renew/{address}")
    async def fail() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(pages, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
            return await client.get("/renew/a@b.example?mark=5ec2e7")

    with caplog.at_level(logging.ERROR, "gateway"):
        answer = asyncio.run(ask())
    assert answer.status_code == code
    assert "Wait a minute, then try again." in answer.text
    assert "geheim" not in answer.text
    (told,) = (one for one in caplog.records if one.msg == "web.page_failed")
    assert told.__dict__["details"]["page"] == "/renew/{address}"
    assert type(error).__name__ in told.__dict__["details"]["error"]
