"""DKIM verification (RFC 6376 §6): dkimpy judges, on keys that were asked for before.

First `find_signatures` says which keys are needed, the caller asks for them without blocking,
then `verify_signatures` does the arithmetic in a thread. dkimpy sees the header alone; the
body is hashed in pieces (see `body`). What a sender could make expensive is refused first:
more than MAX_SIGNATURES, long fields, long runs of white space, huge keys.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import dkim
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from dkim.util import InvalidTagValueList, parse_tag_value

from gateway.authenticity.body import hash_body
from gateway.mail.address import parse_domain
from gateway.mail.inbound import AuthResult
from gateway.mail.message import Message

MAX_SIGNATURES = 5
MAX_FIELDS = 1000
MAX_FIELD_BYTES = 8192
MAX_KEY_BYTES = 2048
MIN_RSA_BITS, MAX_RSA_BITS = 1024, 4096  # RFC 8301 §3.2
MAX_RSA_EXPONENT = 2**32
LONG_WHITE_SPACE = re.compile(rb"\s{100}")
QUIET = logging.Logger("dkimpy", logging.CRITICAL + 1)  # it would print what senders write
KEY_TYPES = {b"rsa-sha256": b"rsa", b"ed25519-sha256": b"ed25519"}

Tags = Mapping[bytes, bytes]
Keys = Mapping[str, Sequence[bytes] | None]


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM-Signature field: its place among them, its tags, and what speaks against it."""

    index: int
    tags: Tags
    domain: str
    selector: str
    fault: tuple[str, str] | None = None  # result and reason, known without the key

    @property
    def key_name(self) -> str:
        """The DNS name of its key record (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


def find_signatures(message: Message) -> list[Signature]:
    """Return the topmost signatures of the message, at most MAX_SIGNATURES; never fails."""
    fields = [field.raw for field in message.all("DKIM-Signature")]
    return [_read(index, raw) for index, raw in enumerate(fields[:MAX_SIGNATURES])]


def verify_signatures(
    message: Message, signatures: Sequence[Signature], keys: Keys
) -> list[AuthResult]:
    """Return a result a signature; slow for a large message, so to be run in a thread.

    `keys` holds the TXT records of each `key_name`, or None where they could not be asked.
    Only "pass" proves anything: a signature with l=, by SHA-1, in testing or by a key under
    1024 bits is "policy" even where the arithmetic holds. Never fails.
    """
    hashes: dict[bool, bytes] = {}

    def body_hash(relaxed: bool) -> bytes:
        if relaxed not in hashes:
            hashes[relaxed] = hash_body(message.content, message.body_at, relaxed=relaxed)
        return hashes[relaxed]

    found = []
    for one in signatures:
        result, reason = one.fault or _judge(message, one, keys.get(one.key_name), body_hash)
        found.append(AuthResult(method="dkim", result=result, domain=one.domain, reason=reason))
    return found


class _Verifier(dkim.DKIM):
    """dkimpy's verification of a header, with the hash of a body that it does not see."""

    def __init__(self, message: Message, body_hash: Callable[[bool], bytes]) -> None:
        super().__init__(logger=QUIET, minkey=MIN_RSA_BITS)  # type: ignore[no-untyped-call]  # dkimpy has no types
        self.headers = [_split(field.raw) for field in message.fields]
        self._body_hash = body_hash

    def verify_sig_process(
        self,
        sig: dict[bytes, bytes],
        include_headers: list[bytes],
        sig_header: tuple[bytes, bytes],
        dnsfunc: object,
    ) -> bool:
        """Compare the body's hash, then let dkimpy verify what a field without bh= leaves."""
        relaxed = sig.get(b"c", b"").strip().endswith(b"/relaxed")
        if base64.b64decode(sig[b"bh"]) != self._body_hash(relaxed):
            return False
        rest = {tag: value for tag, value in sig.items() if tag != b"bh"}
        holds: bool = super().verify_sig_process(  # type: ignore[no-untyped-call]
            rest, include_headers, sig_header, dnsfunc
        )
        return holds


def _read(index: int, raw: bytes) -> Signature:
    value = raw.partition(b":")[2]
    if len(raw) > MAX_FIELD_BYTES or LONG_WHITE_SPACE.search(raw):
        return Signature(index, {}, "", "", ("permerror", "the field is too long"))
    try:
        tags = _parse_tags(value)
        domain = parse_domain(tags[b"d"].decode("ascii"))
        selector = parse_domain(tags[b"s"].decode("ascii"))
    except (InvalidTagValueList, LookupError, ValueError):
        return Signature(index, {}, "", "", ("permerror", "the field cannot be read"))
    return Signature(index, tags, domain, selector, _fault(tags))


def _fault(tags: Tags) -> tuple[str, str] | None:
    """Return what speaks against a signature whatever its key is."""
    if b"l" in tags:  # RFC 6376 §8.2: anything may follow what was signed
        return "policy", "only a part of the body is signed (l=)"
    if tags.get(b"a", b"").lower() not in KEY_TYPES:  # RFC 8301 §3.1: no SHA-1
        return "policy", "the algorithm is not accepted (a=)"
    if b"bh" not in tags:
        return "permerror", "the body is not signed (bh=)"
    if b"[" in tags[b"d"]:
        return "permerror", "the domain is none (d=)"
    return None


def _judge(
    message: Message,
    signature: Signature,
    records: Sequence[bytes] | None,
    body_hash: Callable[[bool], bytes],
) -> tuple[str, str]:
    if len(message.fields) > MAX_FIELDS:
        return "permerror", "the message has too many header fields"
    if records is None:
        return "temperror", "the key cannot be asked for now"
    record = next((one for one in records if b"p=" in one), None)
    if record is None:
        return "permerror", "the key is not published"
    if fault := _key_fault(record, signature):
        return fault
    verifier = _Verifier(message, body_hash)
    try:
        holds = verifier.verify(  # type: ignore[no-untyped-call]
            signature.index, dnsfunc=lambda name, timeout: record
        )
    except dkim.DKIMException:
        return "permerror", "the signature is malformed or has run out"
    except (ValueError, TypeError, LookupError, AssertionError, ArithmeticError):
        return "permerror", "the signature is malformed"  # dkimpy met what it did not expect
    return ("pass", "") if holds else ("fail", "the message was changed or never signed so")


def _key_fault(record: bytes, signature: Signature) -> tuple[str, str] | None:
    """Return what speaks against the key record (RFC 6376 §3.6.1), before dkimpy reads it."""
    try:
        tags = _parse_tags(record) if len(record) <= MAX_KEY_BYTES else {}
        key = base64.b64decode(re.sub(rb"\s+", b"", tags[b"p"]))
    except (InvalidTagValueList, KeyError, binascii.Error):
        return "permerror", "the key record cannot be read"
    if not key:
        return "permerror", "the key was revoked"
    if _words(tags, b"k", b"rsa") != [KEY_TYPES[signature.tags[b"a"].lower()]]:
        return "permerror", "the key is of another type than the signature"
    if b"sha256" not in _words(tags, b"h", b"sha256"):
        return "permerror", "the key is not for this hash"
    if not {b"*", b"email"} & set(_words(tags, b"s", b"*")):
        return "permerror", "the key is not for mail"
    return _flag_fault(tags, signature) or _size_fault(key, tags)


def _flag_fault(tags: Tags, signature: Signature) -> tuple[str, str] | None:
    flags = _words(tags, b"t", b"")
    if b"y" in flags:  # "MUST NOT treat [it] differently from unsigned email"
        return "policy", "the key is in testing (t=y)"
    identity = signature.tags.get(b"i", b"").rpartition(b"@")[2].strip().lower()
    if b"s" in flags and identity not in (b"", signature.domain.encode()):
        return "permerror", "the key is not for subdomains (t=s)"
    return None


def _size_fault(key: bytes, tags: Tags) -> tuple[str, str] | None:
    if _words(tags, b"k", b"rsa") == [b"ed25519"]:
        return None if len(key) == 32 else ("permerror", "the key record cannot be read")
    try:
        public = load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        return "permerror", "the key record cannot be read"
    if not isinstance(public, RSAPublicKey):
        return "permerror", "the key record cannot be read"
    if public.key_size < MIN_RSA_BITS:
        return "policy", f"the key has only {public.key_size} bits"
    if public.key_size > MAX_RSA_BITS or public.public_numbers().e > MAX_RSA_EXPONENT:
        return "policy", "the key is too large"
    return None


def _words(tags: Tags, name: bytes, default: bytes) -> list[bytes]:
    return [word.strip().lower() for word in tags.get(name, default).split(b":")]


def _parse_tags(text: bytes) -> Tags:
    tags: Tags = parse_tag_value(text)  # type: ignore[no-untyped-call]  # dkimpy has no types
    return tags


def _split(raw: bytes) -> tuple[bytes, bytes]:
    name, _, value = raw.partition(b":")
    return name, value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
