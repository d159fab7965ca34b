"""The bytes behind a webhook's links: a whole message, or one attachment of it.

A link is signed when it is made and lives seven days; who has it may download, nobody else.
What is served is a stranger's: always a download, never shown, in a sandbox of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import quote

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse

from gateway.actions.parts import read_parts

LIFE_SECONDS = 7 * 86400
RAW = "raw"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Makes links and tells whether one is good.

    `mark` is what only we can write; `clock` counts seconds since 1970.
    """

    public_url: str
    mark: Callable[[str], str]
    clock: Callable[[], float]

    def make(self, message: str, part: str) -> str:
        """Return the URL of a message (`raw`), or of its attachment of that number."""
        until = int(self.clock()) + LIFE_SECONDS
        root = self.public_url.rstrip("/")
        place = f"{quote(message, safe='')}/{quote(part, safe='')}"
        return (
            f"{root}/v1/messages/{place}?until={until}&mark={self._mark(message, part, until)}"
        )

    def is_good(self, message: str, part: str, *, until: int, mark: str) -> bool:
        """Whether this link was made by us and lives."""
        right = compare_digest(self._mark(message, part, until).encode(), mark.encode())
        return right and self.clock() < until

    def _mark(self, message: str, part: str, until: int) -> str:
        return self.mark(f"link {message} {part} {until}")


def routes(links: Links, *, find: Callable[[str], Awaitable[bytes | None]]) -> APIRouter:
    """Return the pages of downloads; `find` returns the bytes of a message as it leaves."""
    router = APIRouter()

    @router.api_route("/v1/messages/{message}/{part}", methods=["GET", "HEAD"])
    async def download(message: str, part: str, until: int = 0, mark: str = "") -> Response:
        if not links.is_good(message, part, until=until, mark=mark):
            return _refusal("this link is not good any more", status_code=403)
        content = await find(message)
        if content is None:
            return _refusal("the message is not kept any more", status_code=410)
        return await run_in_threadpool(_part_of, content, message, part)

    return router


def _part_of(content: bytes, message: str, part: str) -> Response:
    if part == RAW:
        return _file(content, name=f"{message}.eml", kind="message/rfc822")
    attachments = read_parts(content).attachments
    if not part.isdecimal() or not 1 <= int(part) <= len(attachments):
        return _refusal("the message has no such part", status_code=404)
    found = attachments[int(part) - 1]
    return _file(found.content, name=found.name, kind="application/octet-stream")


def _file(content: bytes, *, name: str, kind: str) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"  # RFC 6266 §4.3
    headers = HEADERS | {"Content-Disposition": disposition}
    return Response(content, media_type=kind, headers=headers)


def _refusal(sentence: str, *, status_code: int) -> Response:
    return PlainTextResponse(f"{sentence}\n", status_code=status_code, headers=HEADERS)
