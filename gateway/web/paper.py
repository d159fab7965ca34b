"""How a page of ours looks: readable on a telephone and in the dark, and nothing is loaded."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape

from fastapi.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; font: 1.0625rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 36rem; padding: 2rem 1.25rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; }
li { margin: .35rem 0; }
label { display: block; font-weight: 600; }
input { margin: .35rem 0 1rem; width: 100%; }
input, button { box-sizing: border-box; font: inherit; min-height: 2.75rem; }
input, button { padding: .4rem .75rem; }
button { font-weight: 600; }
:focus-visible { outline: 3px solid #0b62c4; outline-offset: 2px; }
[role=alert] { border-left: .3rem solid #b3261e; padding-left: .75rem; }
"""
_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'"


def page(
    title: str, body: str, *, headers: Mapping[str, str], status_code: int = 200
) -> HTMLResponse:
    """Return a page under its own title; `body` is HTML, nothing in it may run or be loaded.

    `headers` hold a Content-Security-Policy that begins with `POLICY`.
    """
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>\n"
    )
    return HTMLResponse(text, status_code=status_code, headers=dict(headers))
