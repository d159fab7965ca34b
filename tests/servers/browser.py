"""A browser that waits: behind a page mailboxes and upstreams may be tried."""

from __future__ import annotations

from typing import Any

import httpx

SECONDS = 60.0


def get(url: str, **how: Any) -> httpx.Response:
    """Open a page."""
    return httpx.get(url, timeout=SECONDS, **how)


def post(url: str, **how: Any) -> httpx.Response:
    """Send a form."""
    return httpx.post(url, timeout=SECONDS, **how)
