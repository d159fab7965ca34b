"""What a page answers when we cannot: a sentence. What it was is told in the log alone."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request, Response

from gateway import events
from gateway.store.errors import StoreError
from gateway.web.paper import POLICY, page

LATER = "<p>The gateway cannot answer now. Wait a minute, then try again.</p>"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def answer_faults(pages: FastAPI) -> None:
    """Answer 503 for a store that fails, as on a full disk, and 500 for a fault of ours."""
    pages.add_exception_handler(StoreError, _unavailable)
    pages.add_exception_handler(Exception, _broken)


async def _unavailable(request: Request, error: Exception) -> Response:
    return _later(request, error, status=HTTPStatus.SERVICE_UNAVAILABLE)


async def _broken(request: Request, error: Exception) -> Response:
    return _later(request, error, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _later(request: Request, error: Exception, *, status: HTTPStatus) -> Response:
    route = request.scope.get("route")  # its pattern: the address itself may be a secret
    events.page_failed(page=getattr(route, "path", ""), error=error)
    return page("Not now", LATER, headers=HEADERS, status_code=status)
