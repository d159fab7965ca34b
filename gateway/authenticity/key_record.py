"""The key that a signature is checked with: from TXT records to an RSA or Ed25519 key.

RFC 6376 §3.6.1 and §6.1.2. A key that a sender could make expensive is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key
from dkim.util import InvalidTagValueList

from gateway.authenticity.signature import (
    Finding,
    Signature,
    Tags,
    parse_tags,
    words_of,
)

MAX_RECORD_BYTES = 2048
MIN_RSA_BITS, MAX_RSA_BITS = 1024, 4096  # RFC 8301 §3.2
MAX_RSA_EXPONENT = 2**32
UNREADABLE = Finding("permerror", "the key record cannot be read")

PublicKey = RSAPublicKey | Ed25519PublicKey


def find_key(records: Sequence[bytes] | None, signature: Signature) -> PublicKey | Finding:
    """Return the key for `signature`, or what speaks against the record.

    `records` are the TXT records of its `key_name`, None where they could not be asked.
    """
    if records is None:
        return Finding("temperror", "the key cannot be asked for now")
    found = list(_key_tags(records))
    if not found:
        return Finding("permerror", "the key is not published")
    if len(found) > 1:  # RFC 6376 §3.6.2.2: the result is undefined
        return Finding("permerror", "several keys are published under this name")
    tags = found[0]
    if tags is None:
        return UNREADABLE
    return _use_fault(tags, signature) or _load_key(tags)


def verify(key: PublicKey, *, signature: bytes, digest: bytes) -> bool:
    """Say whether `signature` is one of this SHA-256 digest (RFC 8017 §8.2.2, RFC 8463 §3)."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, digest)
        else:
            key.verify(signature, digest, PKCS1v15(), Prehashed(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _key_tags(records: Sequence[bytes]) -> Iterator[Tags | None]:
    """Yield the tags of what means to be a key, None where it is malformed or too long."""
    for record in records:
        if re.search(rb"\bp\s*=", record[:MAX_RECORD_BYTES]) is None:
            continue
        try:
            tags = parse_tags(record)
        except InvalidTagValueList:
            tags = {}
        yield tags if b"p" in tags and len(record) <= MAX_RECORD_BYTES else None


def _use_fault(tags: Tags, signature: Signature) -> Finding | None:
    if tags.get(b"v", b"DKIM1") != b"DKIM1":
        return UNREADABLE
    if not tags[b"p"]:
        return Finding("permerror", "the key was revoked")
    if tags.get(b"k", b"rsa") != signature.key_type:
        return Finding("permerror", "the key is of another type than the signature")
    if b"sha256" not in words_of(tags, b"h", b"sha256"):
        return Finding("permerror", "the key is not for this hash")
    if not {b"*", b"email"} & set(words_of(tags, b"s", b"*")):
        return Finding("permerror", "the key is not for mail")
    return _flag_fault(words_of(tags, b"t"), signature)


def _flag_fault(flags: Sequence[bytes], signature: Signature) -> Finding | None:
    if b"y" in flags:  # "MUST NOT treat [it] differently from unsigned email"
        return Finding("policy", "the key is in testing (t=y)")
    if b"s" in flags and signature.identity != signature.domain:
        return Finding("permerror", "the key is not for subdomains (t=s)")
    return None


def _load_key(tags: Tags) -> PublicKey | Finding:
    try:
        octets = base64.b64decode(re.sub(rb"\s+", b"", tags[b"p"]), validate=True)
        if tags.get(b"k") == b"ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        key = load_der_public_key(octets)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return UNREADABLE
    if not isinstance(key, RSAPublicKey):
        return UNREADABLE
    if key.key_size < MIN_RSA_BITS:
        return Finding("policy", f"the key has only {key.key_size} bits")
    if key.key_size > MAX_RSA_BITS or key.public_numbers().e > MAX_RSA_EXPONENT:
        return Finding("policy", "the key is too large")
    return key
