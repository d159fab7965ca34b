"""One signature field of DKIM or ARC (RFC 6376 §3.5, RFC 8617 §4.1): its tags, read and judged.

What speaks against a signature whatever its key is (RFC 6376 §6.1.1) is found here, so that
nobody is asked for a key in vain.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

from dkim.util import InvalidTagValueList, parse_tag_value

from gateway.mail.address import parse_domain

MAX_FIELD_BYTES = 8192
LONG_WHITE_SPACE = re.compile(rb"\s{100}")
CLOCK_DRIFT = timedelta(minutes=5)  # between a signer's clock and ours
KEY_TYPES = {b"rsa-sha256": b"rsa", b"ed25519-sha256": b"ed25519"}  # RFC 8301 §3.1: no SHA-1
DKIM_TAGS = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
SIMPLE_SIMPLE = b"simple/simple"
FORMS = (b"simple", b"relaxed")
CANONICAL_FORMS = frozenset((*FORMS, *(b"%b/%b" % pair for pair in product(FORMS, repeat=2))))
BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+[=\s]*")
SECONDS = re.compile(rb"\d{1,12}")  # RFC 6376 §3.5: since 1970

Tags = Mapping[bytes, bytes]


class Finding(NamedTuple):
    """What is found of a signature: a result of RFC 8601 §2.7.1, and why, in a sentence."""

    result: str
    reason: str


@dataclass(frozen=True, slots=True)
class Signature:
    """One field as it stands, its tags, and what speaks against it."""

    raw: bytes
    tags: Tags
    domain: str
    selector: str
    fault: Finding | None = None  # known without the key
    identity: str = ""  # domain of the agent that it names (RFC 6376 §3.5, i=)

    @property
    def key_name(self) -> str:
        """The DNS name of its key record (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def key_type(self) -> bytes:
        """What the key has to be: `rsa` or `ed25519`."""
        return KEY_TYPES[self.tags[b"a"]]

    @property
    def form(self) -> bytes:
        """Its canonical form, as c= names it."""
        return self.tags.get(b"c", SIMPLE_SIMPLE)

    @property
    def signed_names(self) -> list[bytes]:
        """The names of the fields that it signs, in lower case, in the order of h=."""
        return [name.strip().lower() for name in self.tags[b"h"].split(b":")]

    def octets(self, tag: bytes) -> bytes:
        """Return what the Base64 of a tag stands for, or nothing where it is none."""
        try:
            return base64.b64decode(b"".join(self.tags[tag].split()), validate=True)
        except binascii.Error:
            return b""

    def time_fault(self, now: datetime) -> Finding | None:
        """Say whether it has run out, or is of a time to come (RFC 6376 §3.5, t= and x=)."""
        signed, runs_out = (int(self.tags.get(tag, b"0")) for tag in (b"t", b"x"))
        if b"x" in self.tags and runs_out < (now - CLOCK_DRIFT).timestamp():
            return Finding("permerror", "the signature has run out (x=)")
        if signed > (now + CLOCK_DRIFT).timestamp():
            return Finding("permerror", "the signature is of a time to come (t=)")
        return None


def read_dkim(raw: bytes) -> Signature:
    """Return what a DKIM-Signature field says; never fails."""
    read = read_signature(raw, mandatory=DKIM_TAGS)
    if read.fault:
        return read
    named = read.tags.get(b"i", b"@" + read.domain.encode())
    identity = named.rpartition(b"@")[2].decode("ascii", "replace").lower()
    return replace(read, identity=identity, fault=_dkim_fault(read, identity))


def read_signature(raw: bytes, *, mandatory: tuple[bytes, ...]) -> Signature:
    """Return what a field says that has at least these tags; never fails."""
    value = raw.partition(b":")[2]
    if len(raw) > MAX_FIELD_BYTES or LONG_WHITE_SPACE.search(raw):
        return Signature(raw, {}, "", "", Finding("permerror", "the field is too long"))
    try:
        tags = parse_tags(value)
        domain = parse_domain(tags[b"d"].decode("ascii"))
        selector = parse_domain(tags[b"s"].decode("ascii"))
    except (InvalidTagValueList, LookupError, ValueError):
        return Signature(raw, {}, "", "", Finding("permerror", "the field cannot be read"))
    return Signature(raw, tags, domain, selector, _fault(tags, mandatory), domain)


def parse_tags(text: bytes) -> Tags:
    """Return the tags of a list (RFC 6376 §3.2); raises InvalidTagValueList."""
    tags: Tags = parse_tag_value(text)  # type: ignore[no-untyped-call]  # dkimpy has no types
    return tags


def words_of(tags: Tags, name: bytes, default: bytes = b"") -> list[bytes]:
    """Return the words of a tag that is a list with colons."""
    return [word.strip() for word in tags.get(name, default).split(b":")]


def _fault(tags: Tags, mandatory: tuple[bytes, ...]) -> Finding | None:
    if missing := [tag for tag in mandatory if tag not in tags]:
        return Finding("permerror", f"a tag is missing ({missing[0].decode()}=)")
    if b"[" in tags[b"d"]:
        return Finding("permerror", "the domain is none (d=)")
    if tags[b"a"] not in KEY_TYPES:
        return Finding("policy", "the algorithm is not accepted (a=)")
    return _form_fault(tags) or _syntax_fault(tags)


def _form_fault(tags: Tags) -> Finding | None:
    if b"h" in tags and b"from" not in tags[b"h"].lower().replace(b":", b" ").split():
        return Finding("permerror", "From is not signed (h=)")
    if tags.get(b"c", SIMPLE_SIMPLE) not in CANONICAL_FORMS:
        return Finding("permerror", "the canonical form is not known (c=)")
    if b"l" in tags:  # RFC 6376 §8.2: anything may follow what was signed
        return Finding("policy", "only a part of the body is signed (l=)")
    return None


def _syntax_fault(tags: Tags) -> Finding | None:
    for tag in (b"b", b"bh"):
        if tag in tags and not BASE64.fullmatch(tags[tag]):
            return Finding("permerror", f"the field is malformed ({tag.decode()}=)")
    for tag in (b"t", b"x"):
        if tag in tags and not SECONDS.fullmatch(tags[tag]):
            return Finding("permerror", f"the field is malformed ({tag.decode()}=)")
    if b"x" in tags and int(tags[b"x"]) <= int(tags.get(b"t", b"-1")):
        return Finding("permerror", "the signature ran out before it was made (x=)")
    return None


def _dkim_fault(read: Signature, identity: str) -> Finding | None:
    """Return what speaks against it by the tags that ARC does not have or means otherwise."""
    if read.tags[b"v"] != b"1":
        return Finding("permerror", "the version is not known (v=)")
    if b"dns/txt" not in words_of(read.tags, b"q", b"dns/txt"):
        return Finding("permerror", "the key is not in DNS (q=)")
    within = identity == read.domain or identity.endswith("." + read.domain)
    if not within or b"@" not in read.tags.get(b"i", b"@"):
        return Finding("permerror", "the identity is not of the domain (i=)")
    return None
