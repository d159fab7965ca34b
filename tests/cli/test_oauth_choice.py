"""Which way to sign in, and as which client: by options, where nobody is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.cli.asking import Asking
from gateway.cli.oauth_choice import CLIENT_KEYS, OAuthClient, ask_client, signs_in_by_oauth2
from gateway.cli.refusal import Refusal
from gateway.net.service_account import read_key
from gateway.providers.catalogue import load_catalogue
from tests.net.test_service_account import key_file

CATALOGUE = load_catalogue()


def options(**given: Any) -> dict[str, Any]:
    return dict.fromkeys((*CLIENT_KEYS, "sign_in", "key_file")) | given


def client(preset: str, *, secret_file: Path | None = None, **given: Any) -> OAuthClient:
    known = options(**given)
    return ask_client(
        Asking(known), known, CATALOGUE[preset],
        secret_file=secret_file, redirect_uri=lambda: "https://g.example/oauth2/callback",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("preset", "given", "has_password", "by_oauth2"),
    [
        ("m365", {}, False, True),
        ("outlook-com", {}, False, True),
        ("m365", {}, True, False),
        ("gmail", {}, False, True),
        ("gmail", {"sign_in": "password"}, False, False),
        ("gmail", {}, True, False),
        ("yandex", {}, False, False),
        ("yandex", {"sign_in": "OAuth2"}, False, True),
        ("netease-163", {}, False, False),
        ("generic", {"client_id": "me"}, False, True),
        ("gmail", {"grant": "service-account"}, False, True),
    ],
)
def test_the_preset_says_which_way_unless_an_option_does(
    preset: str, given: dict[str, Any], *, has_password: bool, by_oauth2: bool
) -> None:
    known = options(**given)
    found = signs_in_by_oauth2(
        Asking(known), known, CATALOGUE[preset], has_password=has_password
    )
    assert found is by_oauth2


def test_what_is_as_usual_is_not_written_down(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s")
    plain = client("m365", client_id=" me ", secret_file=file)
    assert (plain.settings, plain.secret) == ({"client_id": "me"}, "s")
    own = client("m365", client_id="me", directory="acme.example", grant="Client-Credentials",
                 secret_file=file)  # fmt: skip
    assert own.settings == {
        "client_id": "me", "directory": "acme.example", "grant": "client-credentials",
    }  # fmt: skip
    assert client("gmail", client_id="me").secret is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "--client-id is missing"),
        ({"client_id": " "}, "it is empty"),
        (
            {"client_id": "me", "grant": "client-credential"},
            "did you mean 'client-credentials'",
        ),
        ({"client_id": "me", "grant": "client-credentials"}, "--client-secret-file is missing"),
        ({"client_id": "me", "secret_file": Path("nowhere")}, "nowhere: no such file"),
    ],
)
def test_what_is_missing_or_wrong_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        client("m365", **given)


def test_the_key_of_a_service_account_is_all_that_is_asked_of_it(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(key_file())
    robot = client("gmail", grant="service-account", key_file=file)
    assert robot.settings == {"grant": "service-account"}
    assert robot.secret == read_key(key_file()).text
    file.write_text("{}")
    with pytest.raises(Refusal, match=r"key\.json: is not the key of a service account"):
        client("gmail", grant="service-account", key_file=file)
    with pytest.raises(Refusal, match="--key-file is missing"):
        client("gmail", grant="service-account")


def test_a_way_that_there_is_not_is_refused() -> None:
    known = options(sign_in="pasword")
    with pytest.raises(Refusal, match="did you mean 'password'"):
        signs_in_by_oauth2(Asking(known), known, CATALOGUE["gmail"], has_password=False)
