from __future__ import annotations

import asyncio
from email.message import EmailMessage
from functools import cache
from hashlib import sha256

import httpx
import pytest
from fastapi import FastAPI

from gateway.web.downloads import LIFE_SECONDS, Links, routes

NOW = 1_800_000_000.0


def links(*, now: float = NOW) -> Links:
    return Links(
        public_url="https://gateway.example/",
        mark=lambda text: sha256(f"key {text}".encode()).hexdigest(),
        clock=lambda: now,
    )


@cache
def letter() -> bytes:
    message = EmailMessage()
    message["Subject"] = "Invoice"
    message.set_content("See below.")
    message.add_attachment(
        b"<script>", maintype="text", subtype="html", filename="Rechnung für Ann.html"
    )
    return message.as_bytes()


def get(url: str, *, now: float = NOW, kept: bool = True) -> httpx.Response:
    async def find(message: str) -> bytes | None:
        return letter() if kept and message == "M1" else None

    async def ask() -> httpx.Response:
        app = FastAPI()
        app.include_router(routes(links(now=now), find=find))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
            return await client.get(url.removeprefix("https://gateway.example"))

    return asyncio.run(ask())


def test_a_link_gives_the_whole_message_as_a_download_in_a_sandbox() -> None:
    reply = get(links().make("M1", "raw"))
    assert reply.content == letter()
    assert reply.headers["content-type"] == "message/rfc822"
    assert reply.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in reply.headers["content-security-policy"]


def test_an_attachment_is_decoded_and_never_shown_as_what_it_claims_to_be() -> None:
    reply = get(links().make("M1", "1"))
    assert reply.content.rstrip() == b"<script>"
    assert reply.headers["content-type"] == "application/octet-stream"
    assert "Rechnung%20f%C3%BCr%20Ann.html" in reply.headers["content-disposition"]


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (links().make("M1", "2"), 404),
        (links().make("M1", "x"), 404),
        (links().make("M2", "raw"), 410),
        (links().make("M1", "raw")[:-1] + "!", 403),
        (links().make("M1", "raw").replace("/raw", "/1"), 403),
        ("https://gateway.example/v1/messages/M1/raw", 403),
    ],
)
def test_what_is_not_there_or_not_allowed_is_refused(url: str, status: int) -> None:
    assert get(url).status_code == status


def test_a_link_ends_after_seven_days() -> None:
    url = links().make("M1", "raw")
    assert get(url, now=NOW + LIFE_SECONDS - 1).status_code == 200
    assert get(url, now=NOW + LIFE_SECONDS).status_code == 403
