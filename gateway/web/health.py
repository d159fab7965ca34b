"""/healthz, /readyz and /metrics: is it alive, is it ready, what does it do?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.web.faults import answer_faults
from gateway.web.metrics import Figures, as_text


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState:
    """What the pages ask the app.

    `waiting_for` names what is not up yet; `ask_store` returns once the store has answered
    any question; `measure` returns the figures of this moment.
    """

    waiting_for: Callable[[], list[str]]
    ask_store: Callable[[], Awaitable[object]]
    measure: Callable[[], Awaitable[Figures]]
    store_seconds: float = 5.0  # a store that is silent for longer does not answer


def build(state: HealthState) -> FastAPI:
    """Return the application with the three pages, and nothing else.

    Whatever is added to it, a fault is answered in words.
    """
    app = FastAPI(title="Mail gateway", docs_url=None, redoc_url=None, openapi_url=None)
    answer_faults(app)

    @app.get("/healthz")
    async def healthz() -> Response:
        if await _answers(state):
            return PlainTextResponse("ok\n")
        return PlainTextResponse("the store does not answer\n", status_code=503)

    @app.get("/readyz")
    async def readyz() -> Response:
        missing = state.waiting_for()
        content = {"ready": not missing, "waiting_for": missing}
        return JSONResponse(content, status_code=503 if missing else 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        text = as_text(await state.measure(), waiting_for=len(state.waiting_for()))
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return app


async def _answers(state: HealthState) -> bool:
    """Whether the store answers; why it does not is an event of the store's, not told here."""
    question = asyncio.ensure_future(state.ask_store())
    await asyncio.wait([question], timeout=state.store_seconds)
    if not question.done():
        question.cancel()
        return False
    return question.exception() is None
