"""Keys, records and a letter that the tests of this room share."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

import dkim
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from dkim.canonicalization import CanonicalizationPolicy

from gateway.authenticity.dkim import Signer, sign

DOMAIN = "acme.example"
LETTER = (
    b"From: Ann <ann@acme.example>\r\nTo: bob@client.example\r\nSubject: Hello\r\n"
    b"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@acme.example>\r\n\r\n"
    b"Hello Bob\r\n"
)
USUAL = {"v": "1", "a": "rsa-sha256", "c": "relaxed/simple", "d": DOMAIN, "s": "s1",
         "h": "from:to:subject", "bh": ""}  # fmt: skip
STOCK: Any = dkim  # it has no types
FORM: Any = CanonicalizationPolicy


def rsa_key(bits: int = 2048) -> tuple[str, str]:
    """Return the private key as PEM, and the p= of its record; always the same of one size."""
    return _make_key(bits)


@cache
def _make_key(bits: int) -> tuple[str, str]:
    key = generate_private_key(65537, bits)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pem, base64.b64encode(public).decode()


def signed(content: bytes = LETTER, *, domain: str = DOMAIN) -> bytes:
    """Return `content` signed for `domain` by selector s1."""
    return sign(content, [Signer(domain, "s1", pem=rsa_key()[0])]) + content


def signed_with(content: bytes = LETTER, *, apart: str = "; ", **tags: str | None) -> bytes:
    """Return `content` under a signature that holds as far as its tags let it; None leaves out.

    What a=, c=, h= and l= mean is done, whatever a verifier should think of them.
    """
    head, _, body = content.partition(b"\r\n\r\n")
    known = {tag: value for tag, value in (USUAL | tags).items() if value is not None}
    form = FORM.from_c_value(known.get("c", "simple").lower().encode())
    sha1 = "sha1" in known.get("a", "")
    signed_body = form.canonicalize_body(body)[: int(known["l"]) if "l" in known else None]
    if known.get("bh") == "":
        digest = hashlib.new("sha1" if sha1 else "sha256", signed_body).digest()
        known["bh"] = base64.b64encode(digest).decode()
    value = " " + apart.join([*(f"{tag}={text}" for tag, text in known.items()), "b="])
    names = [name.strip().lower().encode() for name in known.get("h", "from").split(":")]
    fields = form.canonicalize_headers(STOCK.rfc822_parse(head + b"\r\n\r\n")[0])
    chosen = STOCK.select_headers(fields, names)
    [(name, own)] = form.canonicalize_headers([(b"DKIM-Signature", value.encode() + b"\r\n")])
    hashed = b"".join(b"%b:%b" % one for one in [*map(tuple, chosen), (name, own.rstrip())])
    signature = _loaded_key().sign(
        hashed, PKCS1v15(), hashes.SHA1() if sha1 else hashes.SHA256()
    )
    return b"DKIM-Signature:%b%b\r\n%b" % (
        value.encode(), base64.b64encode(signature), content,
    )  # fmt: skip


def sealed(
    content: bytes = LETTER,
    *,
    by: str = "list.example",
    saw: str = "dkim=pass header.d=" + DOMAIN,
) -> bytes:
    """Return `content` as `by` passes it on, with one more set of ARC (RFC 8617) by dkimpy."""
    kept = content.partition(b"\r\n\r\n")[0].lower()
    chain = "" if b"\narc-seal:" not in b"\n" + kept else "; arc=pass"
    stated = f"Authentication-Results: {by}; {saw}{chain}\r\n".encode()
    fields = STOCK.arc_sign(
        stated + content,
        b"s1",
        by.encode(),
        rsa_key()[0].encode(),
        by.encode(),
        linesep=b"\r\n",
    )
    return b"".join(fields) + content


@cache
def _loaded_key() -> Any:
    return load_pem_private_key(rsa_key()[0].encode(), None)
