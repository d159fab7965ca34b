"""A program's signed word that opens a mailbox without a person (RFC 7523), as Google has it.

The key is what its console hands out as a file. The word is a JSON Web Token (RFC 7519), signed
by RS256 (RFC 7515, RFC 7518 §3.3), good for the mailbox that it names alone.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.net.http import Http
from gateway.net.oauth import Client, TokenRefused, Tokens, ask_endpoint

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523 §2.1
LIFE = timedelta(minutes=10)  # of the word; the token lives as long as the provider says


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceKey:
    """Who signs, and by what; `text` is all of it in one line of JSON."""

    email: str
    id: str
    key: RSAPrivateKey = field(repr=False)
    text: str = field(repr=False)


def read_key(text: str) -> ServiceKey:
    """Return the key of a service account from its file; raises ValueError, a sentence."""
    try:
        table = json.loads(text)
        email, pem = str(table["client_email"]), str(table["private_key"])
        key_id = str(table["private_key_id"])
    except (ValueError, KeyError, TypeError) as error:
        sentence = "is not the key of a service account: JSON with client_email, private_key"
        raise ValueError(f"{sentence}, private_key_id") from error
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("its private_key is not one in PEM") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("its private_key is not one of RSA")
    return ServiceKey(email=email, id=key_id, key=key, text=json.dumps(table))


def write_assertion(key: ServiceKey, client: Client, *, mailbox: str, now: datetime) -> str:
    """Return the signed word (RFC 7523 §3) that asks for the client's scopes at `mailbox`."""
    head = {"alg": "RS256", "typ": "JWT", "kid": key.id}
    claims = {
        "iss": key.email,
        "sub": mailbox,
        "scope": " ".join(client.scopes),
        "aud": client.token_url,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
    }
    signed = f"{_part(head)}.{_part(claims)}"
    signature = key.key.sign(signed.encode("ascii"), PKCS1v15(), SHA256())
    return f"{signed}.{_encode(signature)}"


async def ask_as_service(
    http: Http, client: Client, key: ServiceKey, *, mailbox: str, now: datetime
) -> Tokens | TokenRefused:
    """Return a token for one mailbox (RFC 7523 §2.1); raises NoTokens."""
    assertion = write_assertion(key, client, mailbox=mailbox, now=now)
    return await ask_endpoint(http, client, {"grant_type": GRANT_TYPE, "assertion": assertion})


def _part(table: dict[str, Any]) -> str:
    return _encode(json.dumps(table, separators=(",", ":")).encode())


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
