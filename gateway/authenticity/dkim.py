"""DKIM signing (RFC 6376, RFC 8463): dkimpy's canonicalisation and header, OpenSSL's keys.

Signed is relaxed/simple: a relaxed body costs three times as much and buys nothing on a path
where only our own upstream touches the message. dkimpy sees the header block alone; the body
is hashed once, by ourselves, for all signatures of the message.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
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

    def sign(self, digest: bytes) -> _Signature:
        """Return the signature of a SHA-256 digest (RFC 8017 §8.2, RFC 8463 §3)."""
        if isinstance(self._key, Ed25519PrivateKey):
            return _Signature(self._key.sign(digest))
        return _Signature(self._key.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256())))


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


@dataclass(frozen=True, slots=True)
class _Signature:
    """What dkimpy expects of a key that signs by itself."""

    signature: bytes = field(repr=False)


class _HeaderBlock(dkim.DKIM):
    """The signed part of one header, canonicalised once for all signatures.

    `gen_header` asks the key object itself to sign where the algorithm is ed25519-sha256, and
    does modular arithmetic in Python where it is RSA. Here the first way is taken for both: the
    Signer knows its algorithm, and the a= tag comes from the Signer.
    """

    def __init__(self, header: Sequence[tuple[bytes, bytes]], signed: Sequence[bytes]) -> None:
        super().__init__(signature_algorithm=b"ed25519-sha256")  # type: ignore[no-untyped-call]
        self.hasher = hashlib.sha256
        wanted = [one for one in header if one[0] in signed]
        self.headers = RELAXED_SIMPLE.canonicalize_headers(wanted)
        self._signed = list(signed)

    def signature(self, signer: Signer, *, body_hash: bytes, at: int) -> bytes:
        """Return one whole DKIM-Signature field."""
        domain = signer.domain.encode("ascii")
        tags = [
            (b"v", b"1"),
            (b"a", signer.algorithm.encode()),
            (b"c", RELAXED_SIMPLE.to_c_value()),
            (b"d", domain),
            (b"i", b"@" + domain),
            (b"q", b"dns/txt"),
            (b"s", signer.selector.encode("ascii")),
            (b"t", b"%d" % at),
            (b"h", b" : ".join(self._signed)),
            (b"bh", body_hash),
            (b"b", b"0" * 60),  # fills a line, so that folding leaves the tags before it alone
        ]
        name = b"DKIM-Signature"
        value: bytes = self.gen_header(  # type: ignore[no-untyped-call]
            tags, self._signed, RELAXED_SIMPLE, name, signer
        )
        return name + b": " + value


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
