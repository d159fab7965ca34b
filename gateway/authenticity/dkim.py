"""DKIM signing (RFC 6376, RFC 8463): dkimpy's canonicalisation and folding, OpenSSL's keys.

Signed is relaxed/simple: a relaxed body costs three times as much and buys nothing on a path
where only our own upstream touches the message. dkimpy sees the header block alone; the body
is hashed once, by ourselves, for all signatures of the message.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dkim
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from dkim.canonicalization import CanonicalizationPolicy, Relaxed, Simple

from gateway.authenticity.body import hash_body
from gateway.mail.message import parse_message

RELAXED_SIMPLE: Any = CanonicalizationPolicy(Relaxed, Simple)  # type: ignore[no-untyped-call]

OVERSIGNED = (  # once more than they occur: another one breaks the signature (RFC 6376 §8.15)
    b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"in-reply-to",
    b"references",
)  # fmt: skip
OVERSIGNED_WHERE_PRESENT = (  # an upstream may add these to a message without them
    b"sender", b"mime-version", b"content-type", b"content-transfer-encoding",
)  # fmt: skip
SIGNED = (  # as often as they occur (RFC 6376 §5.4.1, RFC 8058 §4, Feedback-ID for Gmail)
    b"content-id", b"content-description", b"resent-date", b"resent-from", b"resent-sender",
    b"resent-to", b"resent-cc", b"resent-message-id", b"list-id", b"list-help",
    b"list-unsubscribe", b"list-unsubscribe-post", b"list-subscribe", b"list-post",
    b"list-owner", b"list-archive", b"auto-submitted", b"feedback-id",
)  # fmt: skip

NAME = b"DKIM-Signature"
NOTHING: frozenset[bytes] = frozenset()
MESSAGE_ID_AND_DATE = frozenset({b"message-id", b"date"})  # an upstream may rewrite them


class Signer:
    """One private key of a domain and the selector it is published under.

    `pem` is PKCS#8 or PKCS#1, RSA of 1024 bits or more, or Ed25519. It is parsed once, here.
    Raises ValueError with one sentence, which holds nothing of the key, when it cannot be used.
    """

    def __init__(self, domain: str, selector: str, *, pem: str | bytes) -> None:
        self.domain = domain
        self.selector = selector
        self._key = _load_key(pem, domain)
        rsa = isinstance(self._key, RSAPrivateKey)
        self.algorithm = "rsa-sha256" if rsa else "ed25519-sha256"

    def __repr__(self) -> str:
        return f"<Signer {self.selector}._domainkey.{self.domain} {self.algorithm}>"

    def sign(self, digest: bytes) -> bytes:
        """Return the signature of a SHA-256 digest (RFC 8017 §8.2, RFC 8463 §3)."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(digest)
        return self._key.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256()))


def sign(
    content: bytes,
    signers: Sequence[Signer],
    *,
    omit: frozenset[bytes] = NOTHING,
    now: datetime | None = None,
) -> bytes:
    """Return the DKIM-Signature fields to put above `content`, one a signer, CRLF at the end.

    `omit` names fields, in lower case, that the upstream rewrites: they are not signed.
    Returns nothing for a message without From, which cannot be signed (RFC 6376 §5.4).
    """
    message = parse_message(content)
    header = [_split(field.raw) for field in message.fields]
    names = [name for name, _ in header]
    if b"from" not in names or not signers:
        return b""
    block = _HeaderBlock(header, _signed_names(names, omit))
    at = int((now or datetime.now(UTC)).timestamp())
    body_hash = base64.b64encode(hash_body(content, message.body_at, relaxed=False))
    return b"".join(block.signature(signer, body_hash=body_hash, at=at) for signer in signers)


class _HeaderBlock:
    """The signed part of one header, canonicalised and hashed once for all signatures.

    dkimpy's own `gen_header` canonicalises and hashes it again for each signature, and does
    modular arithmetic in Python where the key is RSA. Which fields are chosen, their
    canonical form and the folding are dkimpy's; a test compares the field with its own.
    """

    def __init__(self, header: Sequence[tuple[bytes, bytes]], signed: Sequence[bytes]) -> None:
        self._signed = b" : ".join(signed)
        wanted = [one for one in header if one[0] in signed]
        canonical = RELAXED_SIMPLE.canonicalize_headers(wanted)
        chosen = dkim.select_headers(canonical, signed)  # type: ignore[no-untyped-call]
        self._hashed = hashlib.sha256(b"".join(b"%b:%b" % one for one in chosen))

    def signature(self, signer: Signer, *, body_hash: bytes, at: int) -> bytes:
        """Return one whole DKIM-Signature field.

        The signature covers the field with an empty `b=` (RFC 6376 §3.7). What fills it
        while it is folded takes the rest of a line, so that the tags before it stay.
        """
        domain = signer.domain.encode("ascii")
        tags = b"; ".join((
            b"v=1", b"a=" + signer.algorithm.encode(), b"c=" + RELAXED_SIMPLE.to_c_value(),
            b"d=" + domain, b"i=@" + domain, b"q=dns/txt",
            b"s=" + signer.selector.encode("ascii"), b"t=%d" % at, b"h=" + self._signed,
            b"bh=" + body_hash, b"b=",
        ))  # fmt: skip
        unsigned = _fold(tags + b"0" * 60).rstrip(b"0")
        [(name, value)] = RELAXED_SIMPLE.canonicalize_headers([(NAME, unsigned)])
        hashed = self._hashed.copy()
        hashed.update(name + b":" + value.rstrip())
        signature = base64.b64encode(signer.sign(hashed.digest()))
        return NAME + b": " + _fold(tags + signature + b"\r\n")


def _fold(value: bytes) -> bytes:
    folded: bytes = dkim.fold(value, namelen=len(NAME), linesep=b"\r\n")  # type: ignore[no-untyped-call]
    return folded


def _split(raw: bytes) -> tuple[bytes, bytes]:
    name, _, value = raw.partition(b":")
    return name.strip().lower(), value


def _signed_names(present: Sequence[bytes], omit: frozenset[bytes]) -> list[bytes]:
    """Return the h= tag: each name as often as it is signed."""
    names: list[bytes] = []
    for name in OVERSIGNED + OVERSIGNED_WHERE_PRESENT + SIGNED:
        times = present.count(name)
        if name in OVERSIGNED or (times and name in OVERSIGNED_WHERE_PRESENT):
            times += 1
        if name not in omit:
            names += [name] * times
    return names


def _load_key(pem: str | bytes, domain: str) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode() if isinstance(pem, str) else pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None  # the cause is not kept: its text may quote what it read
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and key.key_size >= 1024:  # RFC 8301 §3.2
        return key
    raise ValueError(f"the DKIM key of {domain} is not an RSA key of 1024 bits or Ed25519")
