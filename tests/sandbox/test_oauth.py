"""The sandbox's OAuth2 server: a yes, tokens, rotation, an end of it."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.net.oauth import Client, authorization_url
from gateway.net.service_account import GRANT_TYPE
from gateway.sandbox.oauth import TokenServer
from tests.net.test_service_account import PRIVATE, ROBOT

BOX, BACK = "shop@acme.example", "http://127.0.0.1:1/back"
VERIFIER = "v" * 43


@pytest.fixture
def tokens(serve: Any) -> TokenServer:
    server: TokenServer = serve(TokenServer())
    return server


def ask(tokens: TokenServer, **fields: str) -> httpx.Response:
    return httpx.post(
        tokens.token_url, data={"client_id": "gateway", "client_secret": "s", **fields}
    )


def sent_back(tokens: TokenServer) -> dict[str, str]:
    client = Client(client_id="gateway", authorize_url=tokens.authorize_url, token_url="")
    url = authorization_url(
        client, redirect_uri=BACK, state="st", verifier=VERIFIER, address=BOX
    )
    answer = httpx.get(url)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(BACK)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: value for name, [value] in query.items()}


def exchange(tokens: TokenServer, code: str, *, verifier: str = VERIFIER) -> httpx.Response:
    return ask(
        tokens, grant_type="authorization_code", code=code, code_verifier=verifier,
        redirect_uri=BACK,
    )  # fmt: skip


def test_a_yes_becomes_tokens_once_and_for_its_verifier_alone(tokens: TokenServer) -> None:
    back = sent_back(tokens)
    assert back["state"] == "st"
    granted = exchange(tokens, back["code"]).json()
    assert tokens.opens(BOX, granted["access_token"])
    assert not tokens.opens("other@acme.example", granted["access_token"])
    assert exchange(tokens, back["code"]).json()["error"] == "invalid_grant"
    stolen = exchange(tokens, sent_back(tokens)["code"], verifier="w" * 43)
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")


def test_a_no_is_sent_back_too(tokens: TokenServer) -> None:
    tokens.says_yes = False
    assert sent_back(tokens) == {"error": "access_denied", "state": "st"}


def test_a_refresh_token_that_was_used_is_never_good_again(tokens: TokenServer) -> None:
    first = exchange(tokens, sent_back(tokens)["code"]).json()["refresh_token"]
    second = ask(tokens, grant_type="refresh_token", refresh_token=first).json()
    assert second["refresh_token"] != first
    again = ask(tokens, grant_type="refresh_token", refresh_token=first)
    assert again.json()["error"] == "invalid_grant"
    tokens.rotates = False
    kept = ask(tokens, grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert "refresh_token" not in kept.json()


def test_what_expires_is_renewed_and_what_is_revoked_is_not(tokens: TokenServer) -> None:
    granted = exchange(tokens, sent_back(tokens)["code"]).json()
    tokens.expire()
    assert not tokens.opens(BOX, granted["access_token"])
    refresh = {"grant_type": "refresh_token", "refresh_token": granted["refresh_token"]}
    renewed = ask(tokens, **refresh).json()
    assert tokens.opens(BOX, renewed["access_token"])
    tokens.revoke(BOX)
    assert not tokens.opens(BOX, renewed["access_token"])
    refresh["refresh_token"] = renewed["refresh_token"]
    assert ask(tokens, **refresh).json()["error"] == "invalid_grant"


def test_a_program_alone_opens_every_mailbox(tokens: TokenServer) -> None:
    granted = ask(tokens, grant_type="client_credentials").json()
    assert "refresh_token" not in granted
    assert tokens.opens(BOX, granted["access_token"])
    assert list(tokens.asked) == ["client_credentials"]


def test_a_wrong_secret_is_no_client_and_a_server_that_is_down_answers_a_page(
    tokens: TokenServer,
) -> None:
    wrong = ask(tokens, grant_type="client_credentials", client_secret="x")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    tokens.down = True
    down = ask(tokens, grant_type="client_credentials")
    assert (down.status_code, down.text[:6]) == (503, "<html>")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({}, "access_token"),
        ({"aud": "https://elsewhere.example/"}, "invalid_grant"),
        ({"iat": 1, "exp": 3600}, "invalid_grant"),
        ({"exp": 9e9}, "invalid_grant"),
        ({"iss": "nobody@acme.example"}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "unauthorized_client"),
    ],
)
def test_a_service_account_gets_a_token_for_what_was_delegated_alone(
    tokens: TokenServer, claims: dict[str, Any], said: str
) -> None:
    tokens.service_accounts[ROBOT] = PRIVATE.public_key()
    tokens.delegated.add((ROBOT, "https://mail.google.com/"))
    told = {
        "iss": ROBOT, "sub": BOX, "scope": "https://mail.google.com/",
        "aud": tokens.token_url, "iat": time.time(), "exp": time.time() + 600,
    }  # fmt: skip
    found = httpx.post(
        tokens.token_url, data={"grant_type": GRANT_TYPE, "assertion": signed(told | claims)}
    ).json()
    assert said in (found.get("error"), *found)
    assert "access_token" not in found or tokens.opens(BOX, found["access_token"])


def test_a_word_that_is_not_signed_by_rs256_is_refused(tokens: TokenServer) -> None:
    tokens.service_accounts[ROBOT] = PRIVATE.public_key()
    for assertion in ("", "a.b", signed({"iss": ROBOT}, alg="none"), signed({})[:-4]):
        form = {"grant_type": GRANT_TYPE, "assertion": assertion}
        assert httpx.post(tokens.token_url, data=form).json()["error"] == "invalid_grant"


def signed(claims: dict[str, Any], *, alg: str = "RS256") -> str:
    parts = (json.dumps(one).encode() for one in ({"alg": alg}, claims))
    word = ".".join(urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts)
    signature = PRIVATE.sign(word.encode(), PKCS1v15(), SHA256())
    return f"{word}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"
