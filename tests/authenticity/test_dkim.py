from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from gateway.authenticity.dkim import MESSAGE_ID_AND_DATE, Signer, sign

STOCK: Any = dkim  # it has no types
LETTER = (
    b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"From: Acme Support\r\n <support@acme.example>\r\n"
    b"To: bob@client.example\r\n"
    b"Subject:  Hello   there\t\r\n"
    b"Date: Mon, 01 Jan 2024 00:00:00 +0000\r\n"
    b"Message-ID: <1@acme.example>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"List-Unsubscribe: <mailto:u@acme.example>\r\n"
    b"X-Other: not signed\r\n"
    b"\r\n"
    b"Hello  Bob,\r\n\r\n.dots and  spaces \r\n\r\n\r\n"
)
VARIANTS = {
    "ordinary": LETTER,
    "empty body": LETTER.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "no body": b"From: a@acme.example\r\n",
    "no line end at the end": LETTER.rstrip() + b"\r\nend",
    "two subjects": b"Subject: one\r\n" + LETTER,
    "long references": b"References: "
    + b" ".join([b"<abc@d.example>"] * 30)
    + b"\r\n"
    + LETTER,
    "8-bit header": b"Subject: gr\xc3\xbc\xc3\x9fe\r\n" + LETTER,
}


def make_rsa(bits: int) -> bytes:
    return pem_of(generate_private_key(65537, bits))


def pem_of(key: object) -> bytes:
    return key.private_bytes(  # type: ignore[attr-defined, no-any-return]  # either kind of key
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@cache
def rsa_pem() -> bytes:
    return make_rsa(2048)


@cache
def ed25519_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def signers() -> list[Signer]:
    return [
        Signer("acme.example", "rsa1", pem=rsa_pem()),
        Signer("acme.example", "ed1", pem=pem_of(ed25519_key())),
    ]


def published(name: bytes, timeout: int = 5) -> bytes:
    assert name in (b"rsa1._domainkey.acme.example.", b"ed1._domainkey.acme.example.")
    if name.startswith(b"ed1"):
        raw = ed25519_key().public_key().public_bytes_raw()
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)
    der = (
        serialization.load_pem_private_key(rsa_pem(), None)
        .public_key()
        .public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def names_signed(signature: bytes) -> list[bytes]:
    found = re.search(rb"h=(.*?);", signature, re.DOTALL)
    assert found
    return [name.strip() for name in found[1].split(b":")]


@pytest.mark.parametrize("content", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize("signer", signers(), ids=["rsa", "ed25519"])
def test_a_signature_is_dkimpys_own_byte_for_byte(content: bytes, signer: Signer) -> None:
    key = (
        rsa_pem()
        if signer.selector == "rsa1"
        else base64.b64encode(ed25519_key().private_bytes_raw())
    )
    names = names_signed(sign(content, [signer]))
    theirs = STOCK.DKIM(content, signature_algorithm=signer.algorithm.encode()).sign(
        signer.selector.encode(),
        b"acme.example",
        key,
        canonicalize=(b"relaxed", b"simple"),
        include_headers=names,
    )
    stamp = re.search(rb"t=(\d+)", theirs)
    assert stamp
    ours = sign(content, [signer], now=datetime.fromtimestamp(int(stamp[1]), UTC))
    assert ours == theirs


@pytest.mark.parametrize("content", VARIANTS.values(), ids=VARIANTS.keys())
def test_dkimpy_verifies_both_signatures(content: bytes) -> None:
    signed = sign(content, signers()) + content
    for index in (0, 1):
        assert STOCK.DKIM(signed).verify(index, dnsfunc=published)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Hello   there", b"Hello elsewhere"),
        (b"Hello  Bob", b"Hello Bob"),
        (b"X-Other: not signed", b"From: other@evil.example"),
        (b"X-Other: not signed", b"Reply-To: other@evil.example"),
        (b"X-Other: not signed", b"Subject: another"),
        (b"X-Other: not signed", b"Content-Type: text/html"),
    ],
)
def test_a_changed_or_added_field_breaks_the_signature(before: bytes, after: bytes) -> None:
    signed = sign(LETTER, signers()) + LETTER.replace(before, after)
    for index in (0, 1):
        verifier = STOCK.DKIM(signed)
        try:
            assert not verifier.verify(index, dnsfunc=published)
        except STOCK.ValidationError as error:
            assert "body hash mismatch" in str(error)  # noqa: PT017  # one of two ways to say no


def test_what_an_upstream_adds_beside_leaves_the_signature_whole() -> None:
    signed = b"Received: from x by y\r\n" + sign(LETTER, signers()) + b"X-Trace: 1\r\n" + LETTER
    assert STOCK.DKIM(signed).verify(dnsfunc=published)


def test_an_upstream_may_rewrite_message_id_and_date_where_they_are_not_signed() -> None:
    signature = sign(LETTER, signers(), omit=MESSAGE_ID_AND_DATE)
    rewritten = LETTER.replace(b"<1@acme.example>", b"<2@up.example>").replace(
        b"Mon, 01 Jan", b"Tue, 02 Jan"
    )
    assert STOCK.DKIM(signature + rewritten).verify(dnsfunc=published)


def test_a_message_without_from_is_not_signed() -> None:
    """RFC 6376 §5.4: From MUST be signed."""
    assert sign(b"Subject: x\r\n\r\nbody\r\n", signers()) == b""


def test_a_field_name_with_a_blank_before_the_colon_is_signed_all_the_same() -> None:
    """RFC 5322 §4.5.3 has it as obsolete syntax."""
    assert b"subject : subject" in sign(LETTER.replace(b"Subject:", b"Subject :"), signers())


@pytest.mark.parametrize("pem", [b"", b"secret", make_rsa(1024).replace(b"M", b"N", 3)])
def test_a_key_that_cannot_be_used_is_refused_without_its_text(pem: bytes) -> None:
    with pytest.raises(ValueError, match="the DKIM key of acme") as caught:
        Signer("acme.example", "s", pem=pem)
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)


def test_a_signer_shows_no_key() -> None:
    assert repr(signers()[0]) == "<Signer rsa1._domainkey.acme.example rsa-sha256>"
