from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

from gateway.web.paper import POLICY, page


class Seen(HTMLParser):
    """The tags of a page with their attributes, and its style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.style = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}", {}))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "style":
            self.style += data


def test_a_page_has_a_language_its_title_and_fits_a_telephone() -> None:
    reply = page("A <b> & c", "<p>x</p>", headers={}, status_code=410)
    text = bytes(reply.body).decode()
    assert reply.status_code == 410
    assert "<title>A &lt;b&gt; &amp; c</title>" in text
    assert "<h1>A &lt;b&gt; &amp; c</h1><p>x</p>" in text
    seen = Seen(text)
    assert ("html", {"lang": "en"}) in seen.tags
    assert any("width=device-width" in str(one.get("content")) for _, one in seen.tags)


def test_a_page_loads_nothing_and_its_own_style_alone_may_be_used() -> None:
    seen = Seen(bytes(page("t", "", headers={}).body).decode())
    mark = b64encode(sha256(seen.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{mark}'" in POLICY
    assert POLICY.startswith("default-src 'none'; ")
    assert not any({"src", "href", "style"} & set(attributes) for _, attributes in seen.tags)
