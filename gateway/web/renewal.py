"""The page that a reminder links to: it takes a mailbox's new code and has it tried.

Where there is no code it leads to the provider's sign-in (OAuth2) instead.

The link itself is the authority: signed, without a secret in it, for one mailbox and one
code. It survives a refused code and dies with the accepted one. No cookie is set or read, so
nobody can be led to post here without the link; GET changes nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hmac import compare_digest
from html import escape
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response

from gateway.mail.schema import parse_secret
from gateway.web.paper import POLICY, page

LIFE_SECONDS = 60 * 86400
MAX_BODY_BYTES = 8192
LONGEST_TIME = 12  # digits
TRIES, TRIES_WITHIN_SECONDS = 5, 600.0  # a provider bars an account that tries too often
HEADERS = {
    "Content-Security-Policy": f"{POLICY}; form-action 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "private, no-store",
}
TOO_OFTEN = "Too many tries in a short time. Wait ten minutes, then open the link again."
GONE = (
    "This link is not good any more: it was used, or another code is in use meanwhile. Or it"
    " was not copied whole from the mail."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A mailbox as its page shows it; `generation` is another one with each code."""

    tenant: str
    address: str
    provider: str
    steps: tuple[str, ...]  # how to make a code there
    generation: str
    is_sign_in: bool = False  # by OAuth2: there is no code


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a code; without a fix it was taken."""

    is_ok: bool
    meaning: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalDesk:
    """What the page asks the app."""

    find: Callable[[str, str], Awaitable[Subject | None]]  # tenant, address
    renew: Callable[[str, str, str], Awaitable[Answer]]  # tenant, address, code
    begin: Callable[[str, str], Awaitable[str | None]]  # tenant, address -> where to say yes
    clock: Callable[[], float]  # seconds since 1970
    ask: str | None = None  # whom to ask


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalLinks:
    """Makes links and tells whether one is good; `mark` is what only we can write."""

    public_url: str
    mark: Callable[[str], str]
    clock: Callable[[], float]

    def make(self, subject: Subject) -> str:
        """Return the URL of a mailbox's page, good until another code is in use."""
        until = int(self.clock()) + LIFE_SECONDS
        place = f"{quote(subject.tenant, safe='')}/{quote(subject.address, safe='')}"
        mark = self._mark(subject, until)
        return f"{self.public_url.rstrip('/')}/renew/{place}?until={until}&mark={mark}"

    def is_good(self, subject: Subject, *, until: int, mark: str) -> bool:
        """Whether this link was made by us for the code in use, and lives."""
        right = compare_digest(self._mark(subject, until).encode(), mark.encode())
        return right and self.clock() < until

    def _mark(self, subject: Subject, until: int) -> str:
        about = f"{subject.tenant} {subject.address} {subject.generation} {until}"
        return self.mark(f"renew {about}")


def renewal_routes(links: RenewalLinks, desk: RenewalDesk) -> APIRouter:
    """Return the page, and what takes its form."""
    router = APIRouter()
    pages = _Pages(links, desk)

    @router.get("/renew/{tenant}/{address}")
    async def show(tenant: str, address: str, until: str = "", mark: str = "") -> Response:
        subject = await pages.find(tenant, address, until, mark)
        return pages.form(subject) if subject else pages.gone()

    @router.post("/renew/{tenant}/{address}")
    async def take(
        request: Request, tenant: str, address: str, until: str = "", mark: str = ""
    ) -> Response:
        subject = await pages.find(tenant, address, until, mark)
        if subject is None:
            return pages.gone()
        if subject.is_sign_in:
            return await pages.sign_in(subject)
        return await pages.renew(subject, await _code_of(request))

    return router


class _Pages:
    """What is answered, and how often was tried."""

    def __init__(self, links: RenewalLinks, desk: RenewalDesk) -> None:
        self._links = links
        self._desk = desk
        self._tries: defaultdict[str, deque[float]] = defaultdict(deque)

    async def find(self, tenant: str, address: str, until: str, mark: str) -> Subject | None:
        subject = await self._desk.find(tenant, address)
        end = int(until) if until.isdecimal() and len(until) <= LONGEST_TIME else 0
        good = subject is not None and self._links.is_good(subject, until=end, mark=mark)
        return subject if good else None

    def form(self, subject: Subject, answer: Answer | None = None) -> Response:
        what = "sign-in" if subject.is_sign_in else "code"
        return _page(f"A new {what} for {subject.address}", _form(subject, answer) + self._whom)

    def gone(self) -> Response:
        return _page("Mailbox", _say(GONE) + self._whom, status_code=410)

    async def sign_in(self, subject: Subject) -> Response:
        if not self._may_try(subject):
            return self._too_often()
        url = await self._desk.begin(subject.tenant, subject.address)
        return _page(subject.address, _link(subject, url)) if url else self.gone()

    async def renew(self, subject: Subject, code: str) -> Response:
        if not code:
            return self.form(subject, Answer(is_ok=False, meaning="No code was entered."))
        if not self._may_try(subject):
            return self._too_often()
        answer = await self._desk.renew(subject.tenant, subject.address, code)
        if answer.is_ok:
            return _page("Mailbox", _say(f"{subject.address}: {answer.meaning}"))
        return self.form(subject, answer)

    def _too_often(self) -> Response:
        return _page("Mailbox", _say(TOO_OFTEN) + self._whom, status_code=429)

    @property
    def _whom(self) -> str:
        return f"<p>Questions? Ask {escape(self._desk.ask)}.</p>" if self._desk.ask else ""

    def _may_try(self, subject: Subject) -> bool:
        return _may_try(self._tries[subject.address], self._desk.clock())


async def _code_of(request: Request) -> str:
    """Return the code of a form; too much, or what is not text, is none."""
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > MAX_BODY_BYTES:
            return ""
    fields = parse_qs(body.decode("utf-8", "replace"))
    return parse_secret(fields.get("code", [""])[0])


def _may_try(tries: deque[float], now: float) -> bool:
    while tries and tries[0] < now - TRIES_WITHIN_SECONDS:
        tries.popleft()
    if len(tries) >= TRIES:
        return False
    tries.append(now)
    return True


def _form(subject: Subject, answer: Answer | None = None) -> str:
    steps = "".join(f"<li>{escape(one)}</li>" for one in subject.steps)
    steps = f"<ol>{steps}</ol>" if steps else ""
    said = f"{answer.meaning} {answer.fix}".strip() if answer else ""
    if said:
        said = f'<p role="alert"><strong>{escape(said)}</strong></p>'
    if subject.is_sign_in:
        return (
            f"{said}<p>{escape(subject.provider)} does not let us in any more. Sign in there as"
            " the owner of the mailbox and say yes; it is tried before it is used.</p>"
            '<form method="post"><p><button>Sign in</button></p></form>'
        )
    return (
        f"{said}<p>{escape(subject.provider)} refuses the code in use, or will soon."
        " Make a new one there and enter it here; it is tried before it is used.</p>"
        f"{steps}"
        '<form method="post"><p><label>New code <input type="password" name="code" required'
        ' autocomplete="off" maxlength="1000"></label> <button>Try and use it</button></p>'
        "</form>"
    )


def _link(subject: Subject, url: str) -> str:
    return f'<p><a href="{escape(url)}">Sign in at {escape(subject.provider)}</a></p>'


def _say(sentence: str) -> str:
    return f"<p>{escape(sentence)}</p>"


def _page(title: str, body: str, *, status_code: int = 200) -> Response:
    return page(title, body, headers=HEADERS, status_code=status_code)
