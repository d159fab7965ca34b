"""DKIM verification (RFC 6376 §6), on keys that were asked for before.

First `find_signatures` says which keys are needed, the caller asks for them without blocking,
then `verify_signatures` does the arithmetic in a thread. The canonical header is dkimpy's, the
arithmetic OpenSSL's; the body is hashed in pieces (see `body`). What a sender could make
expensive is refused first: more than MAX_SIGNATURES or MAX_FIELDS, long fields, long runs of
white space, huge keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dkim
from dkim.canonicalization import CanonicalizationPolicy, Relaxed, Simple

from gateway.authenticity.body import hash_body
from gateway.authenticity.key_record import PublicKey, find_key, verify
from gateway.authenticity.signature import Finding, Signature, read_dkim
from gateway.mail.inbound import AuthResult
from gateway.mail.message import Message

MAX_SIGNATURES = 5
MAX_FIELDS = 1000
TOO_MANY_FIELDS = Finding("permerror", "the message has too many header fields")
CHANGED = Finding("fail", "the message was changed or never signed so")
PASS = Finding("pass", "")

RELAXED: Any = CanonicalizationPolicy(Relaxed, Simple)  # type: ignore[no-untyped-call]
SIMPLE: Any = CanonicalizationPolicy(Simple, Simple)  # type: ignore[no-untyped-call]

Keys = Mapping[str, Sequence[bytes] | None]
Header = Sequence[tuple[bytes, bytes]]


def find_signatures(message: Message) -> list[Signature]:
    """Return the topmost signatures of the message, at most MAX_SIGNATURES; never fails."""
    fields = [field.raw for field in message.all("DKIM-Signature")]
    return [read_dkim(raw) for raw in fields[:MAX_SIGNATURES]]


def verify_signatures(
    message: Message, signatures: Sequence[Signature], keys: Keys, *, now: datetime
) -> list[AuthResult]:
    """Return a result a signature; slow for a large message, so to be run in a thread.

    `keys` holds the TXT records of each `key_name`, or None where they could not be asked.
    Only "pass" proves anything: a signature with l=, by SHA-1, in testing or by a key under
    1024 bits is "policy" even where the arithmetic holds. Never fails.
    """
    signed = SignedMessage(message)
    found = []
    for one in signatures:
        result, reason = signed.judge(one, keys.get(one.key_name), now=now)
        found.append(AuthResult(method="dkim", result=result, domain=one.domain, reason=reason))
    return found


class SignedMessage:
    """A message as its signatures see it: each canonical form is made once for all of them."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._headers: dict[bool, Header] = {}  # relaxed or not
        self._body_hashes: dict[bool, bytes] = {}

    def judge(
        self, signature: Signature, records: Sequence[bytes] | None, *, now: datetime
    ) -> Finding:
        """Return the result of one signature of a whole message; it never fails."""
        if fault := signature.fault or signature.time_fault(now):
            return fault
        if len(self._message.fields) > MAX_FIELDS:
            return TOO_MANY_FIELDS
        key = find_key(records, signature)
        if isinstance(key, Finding):
            return key
        return PASS if self._holds(signature, key) else CHANGED

    def _holds(self, signature: Signature, key: PublicKey) -> bool:
        header_form, _, body_form = signature.form.partition(b"/")
        if signature.octets(b"bh") != self._body_hash(relaxed=body_form == b"relaxed"):
            return False
        digest = self._header_hash(signature, relaxed=header_form == b"relaxed")
        return verify(key, signature=signature.octets(b"b"), digest=digest)

    def _body_hash(self, *, relaxed: bool) -> bytes:
        if relaxed not in self._body_hashes:
            message = self._message
            self._body_hashes[relaxed] = hash_body(
                message.content, message.body_at, relaxed=relaxed
            )
        return self._body_hashes[relaxed]

    def _header_hash(self, signature: Signature, *, relaxed: bool) -> bytes:
        """Return the hash of what is signed (RFC 6376 §3.7).

        One From more than h= tells is looked for: a second one is never signed.
        """
        form = RELAXED if relaxed else SIMPLE
        if relaxed not in self._headers:
            fields = [split_field(field.raw) for field in self._message.fields]
            self._headers[relaxed] = form.canonicalize_headers(fields)
        digest = hashlib.sha256()
        names = [*signature.signed_names, b"from"]
        dkim.hash_headers(  # type: ignore[no-untyped-call]
            digest, form, self._headers[relaxed], names, split_field(signature.raw), None
        )
        return digest.digest()


def split_field(raw: bytes) -> tuple[bytes, bytes]:
    """Return name and value of a field as dkimpy takes them, its line ends CRLF."""
    name, _, value = raw.partition(b":")
    return name, value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
