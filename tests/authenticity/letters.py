"""Keys, records and a letter that the tests of this room share."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.authenticity.dkim import Signer, sign

DOMAIN = "acme.example"
LETTER = (
    b"From: Ann <ann@acme.example>\r\nTo: bob@client.example\r\nSubject: Hello\r\n"
    b"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@acme.example>\r\n\r\n"
    b"Hello Bob\r\n"
)


@cache
def rsa_key(bits: int = 2048) -> tuple[str, str]:
    """Return the private key as PEM, and the p= of its record."""
    key = generate_private_key(65537, bits)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pem, base64.b64encode(public).decode()


def signed(content: bytes = LETTER, *, domain: str = DOMAIN) -> bytes:
    """Return `content` signed for `domain` by selector s1."""
    return sign(content, [Signer(domain, "s1", pem=rsa_key()[0])]) + content
