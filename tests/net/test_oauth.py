"""The token endpoint's words, and what is asked of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.net.http import Http, HttpReply
from gateway.net.oauth import (
    MAX_REPLY_BYTES,
    Client,
    TokenRefused,
    Tokens,
    ask_without_person,
    authorization_url,
    exchange_code,
    make_challenge,
    make_verifier,
    read_reply,
    refresh_tokens,
)
from gateway.net.unreachable import Unreachable
from tests.net.web_server import WebServer, web_server

Run = Callable[[Any], Any]
GRANTED = {"access_token": "at", "token_type": "Bearer", "expires_in": 3599}


def answered(text: str | dict[str, Any], *, status: int = 200) -> Tokens | TokenRefused:
    body = text if isinstance(text, str) else json.dumps(text)
    reply = HttpReply(status=status, text=body, address="127.0.0.1", seconds=0.1)
    return read_reply(reply, host="login.example")


def asked(run: Run, ask: Callable[[Http, Client], Any], server: WebServer) -> dict[str, str]:
    """Return the fields of the request that `ask` makes."""

    async def resolve(host: str) -> list[str]:
        return [host]

    async def work() -> Any:
        http = Http(
            resolve=resolve,
            private_networks=["127.0.0.0/8"],
            max_reply_bytes=MAX_REPLY_BYTES,
        )
        client = Client(client_id="me", secret="s+1", token_url=server.url(), scopes=("a", "b"))
        try:
            return await ask(http, client)
        finally:
            await http.close()

    server.text = json.dumps({**GRANTED, "padding": "x" * 9000}).encode()
    assert isinstance(run(work()), Tokens)
    (posted,) = server.posted
    assert posted.headers["content-type"] == "application/x-www-form-urlencoded"
    return {key: value for key, [value] in parse_qs(posted.body.decode()).items()}


def test_the_challenge_is_that_of_the_standards_example() -> None:
    """RFC 7636 appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert make_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert 43 <= len(make_verifier()) <= 128


def test_the_page_to_say_yes_on_names_all_that_is_asked() -> None:
    client = Client(
        client_id="me",
        authorize_url="https://login.example/authorize?x=1",
        token_url="",
        scopes=("a b", "c"),
        parameters={"prompt": "consent"},
    )
    url = authorization_url(
        client, redirect_uri="https://g.example/cb", state="st", verifier="v" * 43,
        address="shop@acme.example",
    )  # fmt: skip
    assert url.startswith("https://login.example/authorize?x=1&response_type=code&")
    fields = parse_qs(urlsplit(url).query)
    assert fields["scope"] == ["a b c"]
    assert (fields["prompt"], fields["login_hint"]) == (["consent"], ["shop@acme.example"])
    assert fields["code_challenge_method"] == ["S256"]
    assert "v" * 43 not in url


def test_a_code_goes_with_its_verifier(run: Run) -> None:
    with web_server() as server:
        fields = asked(
            run,
            lambda http, client: exchange_code(
                http, client, code="c", verifier="v", redirect_uri="https://g.example/cb"
            ),
            server,
        )
    assert fields == {
        "grant_type": "authorization_code", "client_id": "me", "client_secret": "s+1",
        "code": "c", "code_verifier": "v", "redirect_uri": "https://g.example/cb",
    }  # fmt: skip


def test_a_refresh_and_a_program_alone_ask_by_what_they_have(run: Run) -> None:
    with web_server() as server:
        fields = asked(
            run,
            lambda http, client: refresh_tokens(http, client, refresh_token="rt"),
            server,
        )
    assert (fields["grant_type"], fields["refresh_token"]) == ("refresh_token", "rt")
    with web_server() as server:
        fields = asked(run, ask_without_person, server)
    assert (fields["grant_type"], fields["scope"]) == ("client_credentials", "a b")


def test_what_was_granted_has_a_life_and_perhaps_a_new_refresh_token() -> None:
    assert answered(GRANTED) == Tokens(access="at", life=timedelta(seconds=3599))
    more = answered({**GRANTED, "expires_in": "60", "refresh_token": "rt2"})
    assert more == Tokens(access="at", life=timedelta(seconds=60), refresh="rt2")
    assert answered({"access_token": "at"}) == Tokens(access="at", life=timedelta(minutes=10))
    assert "rt2" not in repr(more)


def test_a_refusal_is_a_value_with_the_providers_words() -> None:
    said = {
        "error": "invalid_grant",
        "error_description": "AADSTS700082: The refresh token has expired.\r\nTrace ID: 77 x",
    }
    text = "invalid_grant: AADSTS700082: The refresh token has expired."
    assert answered(said, status=400) == TokenRefused(400, text)
    assert answered({"error": "invalid_client"}, status=401) == TokenRefused(
        401, "invalid_client"
    )


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"error": "temporarily_unavailable"}', 400),
        ('{"error": "invalid_grant"}', 503),
        ('{"error": "invalid_request"}', 429),
        ("<html>Sign in to the hotel's network</html>", 200),
        ("<html>Not here</html>", 404),
        ("[]", 400),
        ("[" * 60_000, 200),
        ('{"access_token": null}', 200),
        ("", 302),
    ],
)
def test_what_is_no_answer_says_nothing_of_the_permission(text: str, status: int) -> None:
    with pytest.raises(Unreachable, match=r"login\.example"):
        answered(text, status=status)


def test_an_endpoint_that_is_down_is_named(run: Run) -> None:
    async def resolve(host: str) -> list[str]:
        return ["127.0.0.1"]

    async def work() -> None:
        http = Http(resolve=resolve, private_networks=["127.0.0.0/8"])
        client = Client(client_id="me", token_url="http://login.example:1/token")
        await refresh_tokens(http, client, refresh_token="rt")

    with pytest.raises(Unreachable, match=r"login\.example gives no tokens now"):
        run(work())
