"""A service account's key and the word that it signs."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.net.oauth import Client
from gateway.net.service_account import GRANT_TYPE, ask_as_service, read_key, write_assertion
from gateway.sandbox.oauth import read_assertion
from tests.net.test_oauth import Run, asked
from tests.net.web_server import web_server

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ROBOT, BOX = "robot@acme.iam.example", "desk@acme.example"
CLIENT = Client(client_id="", token_url="https://t.example/token", scopes=("a", "b"))
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(private: Any = PRIVATE) -> str:
    """Return a file as Google's console hands it out."""
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    table = {"type": "service_account", "client_email": ROBOT, "private_key_id": "k1"}
    return json.dumps({**table, "private_key": pem}, indent=2)


def test_the_word_names_who_signs_for_which_mailbox_where_and_how_long() -> None:
    word = write_assertion(read_key(key_file()), CLIENT, mailbox=BOX, now=NOON)
    begun = int(NOON.timestamp())
    assert read_assertion(word, {ROBOT: PRIVATE.public_key()}) == {
        "iss": ROBOT, "sub": BOX, "scope": "a b", "aud": CLIENT.token_url,
        "iat": begun, "exp": begun + 600,
    }  # fmt: skip
    head = word.partition(".")[0]
    assert json.loads(urlsafe_b64decode(head + "==")) == {
        "alg": "RS256", "typ": "JWT", "kid": "k1",
    }  # fmt: skip


def test_another_keys_word_is_not_believed() -> None:
    word = write_assertion(read_key(key_file()), CLIENT, mailbox=BOX, now=NOON)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(InvalidSignature):
        read_assertion(word, {ROBOT: other.public_key()})


def test_the_endpoint_gets_the_word_and_no_secret(run: Run) -> None:
    key = read_key(key_file())
    with web_server() as server:
        fields = asked(
            run,
            lambda http, client: ask_as_service(http, client, key, mailbox=BOX, now=NOON),
            server,
        )
    assert set(fields) == {"grant_type", "assertion"}
    assert fields["grant_type"] == GRANT_TYPE


def test_a_key_is_kept_in_one_line_and_shows_nothing() -> None:
    key = read_key(key_file())
    assert "\n" not in key.text
    assert read_key(key.text).email == key.email
    assert "PRIVATE" not in repr(key)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("what is no JSON", "is not the key of a service account"),
        ("[]", "is not the key of a service account"),
        ('{"client_email": "a"}', "is not the key of a service account"),
        (key_file().replace("BEGIN", "begin"), "its private_key is not one in PEM"),
        (key_file(ec.generate_private_key(ec.SECP256R1())), "is not one of RSA"),
    ],
)
def test_a_file_that_is_no_key_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_key(text)
