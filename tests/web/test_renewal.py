from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import httpx
import pytest
from fastapi import FastAPI

from gateway.web.renewal import (
    LIFE_SECONDS,
    MAX_BODY_BYTES,
    TRIES,
    Answer,
    RenewalDesk,
    RenewalLinks,
    Subject,
    renewal_routes,
)

NOW = 1_800_000_000.0
SUBJECT = Subject(
    tenant="acme",
    address="shop@163.com",
    provider="NetEase 163 Mail",
    steps=("Open <Settings>", "Make a code"),
    generation="1",
)
RIGHT = "RIGHTCODE"


class Page:
    """The page of one mailbox whose right code is known."""

    def __init__(self, *, now: float = NOW) -> None:
        self.links = RenewalLinks(
            public_url="https://gateway.example/",
            mark=lambda text: sha256(f"key {text}".encode()).hexdigest(),
            clock=lambda: now,
        )
        self.subject = SUBJECT
        self.tried: list[str] = []
        self.leads_to: str | None = "https://login.example/?a=1&b=2"
        self._app = FastAPI()
        desk = RenewalDesk(
            find=self._find,
            renew=self._renew,
            begin=self._begin,
            clock=lambda: now,
            ask="help@<gw>.example",
        )
        self._app.include_router(renewal_routes(self.links, desk))

    @property
    def link(self) -> str:
        return self.links.make(self.subject)

    def get(self, url: str) -> httpx.Response:
        return self._ask("GET", url)

    def post(self, url: str, body: str) -> httpx.Response:
        return self._ask("POST", url, body)

    async def _find(self, tenant: str, address: str) -> Subject | None:
        known = (self.subject.tenant, self.subject.address)
        return self.subject if (tenant, address) == known else None

    async def _renew(self, tenant: str, address: str, code: str) -> Answer:
        assert (tenant, address) == ("acme", "shop@163.com")
        self.tried.append(code)
        if code != RIGHT:
            return Answer(is_ok=False, meaning="It was refused.", fix="Make <another>.")
        self.subject = replace(self.subject, generation="2")
        return Answer(is_ok=True, meaning="it works")

    async def _begin(self, tenant: str, address: str) -> str | None:
        assert (tenant, address) == ("acme", "shop@163.com")
        return self.leads_to

    def _ask(self, method: str, url: str, body: str = "") -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            path = url.removeprefix("https://gateway.example")
            async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
                return await client.request(method, path, content=body, headers=kind)

        return asyncio.run(ask())


def test_the_page_shows_the_steps_and_changes_nothing() -> None:
    page = Page()
    for _ in range(3):
        reply = page.get(page.link)
        assert reply.status_code == 200
        assert "shop@163.com" in reply.text
        assert "Open &lt;Settings&gt;" in reply.text
    assert page.tried == []
    assert "Ask help@&lt;gw&gt;.example." in reply.text
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert "set-cookie" not in reply.headers


def test_a_link_survives_a_refused_code_and_dies_with_the_accepted_one() -> None:
    page = Page()
    link = page.link
    refused = page.post(link, "code=WRONG")
    assert "It was refused. Make &lt;another&gt;." in refused.text
    assert "WRONG" not in refused.text
    assert "it works" in page.post(link, f"code={RIGHT}").text
    for reply in (page.get(link), page.post(link, f"code={RIGHT}")):
        assert reply.status_code == 410
        assert "Ask help@&lt;gw&gt;.example." in reply.text
    assert page.tried == ["WRONG", RIGHT]


def test_where_there_is_no_code_it_leads_to_the_sign_in() -> None:
    page = Page()
    page.subject = replace(SUBJECT, is_sign_in=True)
    assert "New code" not in page.get(page.link).text
    led = page.post(page.link, f"code={RIGHT}")
    assert '<a href="https://login.example/?a=1&amp;b=2">Sign in at' in led.text
    assert page.tried == []
    for _ in range(TRIES):
        last = page.post(page.link, "")
    assert last.status_code == 429
    page = Page()
    page.subject, page.leads_to = replace(SUBJECT, is_sign_in=True), None
    assert page.post(page.link, "").status_code == 410


@pytest.mark.parametrize(
    "spoil",
    [
        lambda link: link[:-1] + "!",
        lambda link: link.split("&mark=")[0],
        lambda link: link.replace("shop%40", "other%40"),
        lambda link: link.replace("/acme/", "/other/"),
        lambda link: link.replace("until=1", "until=2"),
    ],
)
def test_a_link_that_we_did_not_make_opens_nothing(spoil: object) -> None:
    assert callable(spoil)
    page = Page()
    assert page.get(spoil(page.link)).status_code == 410
    assert page.post(spoil(page.link), f"code={RIGHT}").status_code == 410
    assert page.tried == []


def test_a_link_ends_after_sixty_days() -> None:
    link = Page().link
    assert Page(now=NOW + LIFE_SECONDS - 1).get(link).status_code == 200
    assert Page(now=NOW + LIFE_SECONDS).get(link).status_code == 410


@pytest.mark.parametrize("body", ["", "code=", "other=x", "code=" + "x" * MAX_BODY_BYTES])
def test_a_form_without_a_code_is_shown_again(body: str) -> None:
    page = Page()
    assert "No code was entered." in page.post(page.link, body).text
    assert page.tried == []


def test_tries_are_bounded_for_the_provider_bars_who_tries_too_often() -> None:
    page = Page()
    replies = [page.post(page.link, f"code=WRONG{one}") for one in range(TRIES + 1)]
    assert [one.status_code for one in replies] == [200] * TRIES + [429]
    assert len(page.tried) == TRIES


@pytest.mark.parametrize("until", ["", "soon", "-1", "9" * 5000])
def test_a_link_that_a_mail_program_broke_is_answered_with_the_page(until: str) -> None:
    page = Page()
    mark = page.link.split("mark=")[1]
    reply = page.get(f"/renew/acme/shop%40163.com?until={until}&mark={mark}")
    assert reply.status_code == 410
    assert "This link is not good any more" in reply.text


def test_what_was_refused_is_read_out_and_the_title_says_what_is_asked() -> None:
    page = Page()
    refused = page.post(page.link, "code=WRONG").text
    assert '<p role="alert">' in refused
    assert "<title>A new code for shop@163.com</title>" in refused
