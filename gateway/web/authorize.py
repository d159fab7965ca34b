"""The page that a browser comes back to when an owner has let the gateway in, or has not.

What is in its address is a secret for a moment: the page has no links, loads nothing, and is
kept nowhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from gateway.web.paper import POLICY, page

PATH = "/oauth2/callback"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of it, for the person in front of the page."""

    ok: bool
    title: str
    sentences: tuple[str, ...] = ()


def redirect_uri(public_url: str) -> str:
    """Return the address to register at the provider (RFC 6749 §3.1.2)."""
    return public_url.rstrip("/") + PATH


def routes(finish: Callable[[Mapping[str, str]], Awaitable[Told]]) -> APIRouter:
    """Return the page; `finish` takes what the provider put into its address."""
    router = APIRouter()

    @router.get(PATH)
    async def back(request: Request) -> HTMLResponse:
        told = await finish(dict(request.query_params))
        paragraphs = "".join(f"<p>{escape(one)}</p>" for one in told.sentences)
        code = 200 if told.ok else 400
        return page(told.title, paragraphs, headers=HEADERS, status_code=code)

    return router
