from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx
from fastapi import FastAPI

from gateway.web.authorize import Told, redirect_uri, routes


def get(query: str, told: Told) -> tuple[httpx.Response, list[Mapping[str, str]]]:
    answers: list[Mapping[str, str]] = []

    async def finish(answer: Mapping[str, str]) -> Told:
        answers.append(answer)
        return told

    async def ask() -> httpx.Response:
        app = FastAPI()
        app.include_router(routes(finish))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
            return await client.get(f"/oauth2/callback?{query}")

    return asyncio.run(ask()), answers


def test_what_the_provider_sent_back_is_handed_over_and_told() -> None:
    told = Told(ok=True, title="a@acme.example is connected", sentences=("Close it.",))
    reply, answers = get("code=c&state=s", told)
    assert answers == [{"code": "c", "state": "s"}]
    assert (reply.status_code, "<p>Close it.</p>" in reply.text) == (200, True)
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["cache-control"] == "no-store"


def test_words_of_others_are_text_and_a_refusal_is_no_success() -> None:
    told = Told(ok=False, title="x was not connected", sentences=('<script>"',))
    reply, _ = get("error=%3Cscript%3E", told)
    assert reply.status_code == 400
    assert "<script>" not in reply.text
    assert "&lt;script&gt;" in reply.text


def test_the_address_to_register_lies_under_the_public_url() -> None:
    assert redirect_uri("https://g.example/") == "https://g.example/oauth2/callback"
