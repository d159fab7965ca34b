"""The Authenticated Received Chain (RFC 8617): what those who passed a message on say of it.

Each of them adds a set of three fields: what it found (ARC-Authentication-Results), a
signature of the message as it passed it on, and a seal over all sets so far. A chain that
holds proves only who said what: anybody may seal. So a set is believed where its sealer is
listed by the preset and with it every later one, which could have changed the message.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile

import dkim

from gateway.authenticity.dkim_verify import PASS, RELAXED, Keys, SignedMessage, split_field
from gateway.authenticity.key_record import find_key, verify
from gateway.authenticity.signature import (
    MAX_FIELD_BYTES,
    Finding,
    Signature,
    read_signature,
)
from gateway.authenticity.trace import borne_out, parse_results
from gateway.mail.inbound import AuthResult
from gateway.mail.message import Field, Message

MAX_SETS = 50  # RFC 8617 §4.2.1
RESULTS = "arc-authentication-results"
MESSAGE_SIGNATURE = "arc-message-signature"
SEAL = "arc-seal"
NAMES = (RESULTS, MESSAGE_SIGNATURE, SEAL)  # the order within a set (RFC 8617 §5.1.1)
SIGNATURE_TAGS = (b"i", b"a", b"b", b"bh", b"d", b"h", b"s")
SEAL_TAGS = (b"i", b"cv", b"a", b"b", b"d", b"s")
INSTANCE = {
    RESULTS: re.compile(r"\s*i\s*=\s*(\d{1,2})\s*;"),  # it stands first (RFC 8617 §4.1.1)
    **dict.fromkeys(
        (MESSAGE_SIGNATURE, SEAL), re.compile(r"(?:.*;)?\s*i\s*=\s*(\d{1,2})\s*(?:;|$)")
    ),
}
BELIEVED = frozenset({"spf", "dkim", "dmarc"})


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The three fields of one that passed the message on."""

    results: Field
    signature: Signature
    seal: Signature

    @property
    def sealer(self) -> str:
        """Who it is; nobody where signature and seal are of different domains."""
        return self.seal.domain if self.seal.domain == self.signature.domain else ""


@dataclass(frozen=True, slots=True)
class Chain:
    """The sets of a message, the oldest first; none of them where its structure is broken."""

    sets: tuple[ArcSet, ...]
    fault: str = ""

    @property
    def key_names(self) -> list[str]:
        """The DNS names of the keys that it is verified with."""
        signatures = [one.seal for one in self.sets] + [one.signature for one in self.sets[-1:]]
        return list(dict.fromkeys(one.key_name for one in signatures))


def find_chain(message: Message) -> Chain:
    """Return the chain of a message, without sets where it has none; never fails."""
    try:
        return Chain(tuple(_read_sets(message)))
    except ValueError as error:
        return Chain((), str(error))


def verify_chain(message: Message, chain: Chain, keys: Keys, *, now: datetime) -> AuthResult:
    """Return the result of the whole chain (RFC 8617 §5.2); to be run in a thread.

    `keys` are those of `key_names`, as for `verify_signatures`. The domain is that of the last
    sealer.
    """
    if chain.fault or not chain.sets:
        result = "fail" if chain.fault else "none"
        return AuthResult(method="arc", result=result, reason=chain.fault or "not sealed")
    newest = chain.sets[-1]
    found = SignedMessage(message).judge(
        newest.signature, keys.get(newest.signature.key_name), now=now
    )
    if found.result == "pass":
        found = next((one for one in _judge_seals(chain, keys) if one.result != "pass"), found)
    result = found.result if found.result in ("pass", "temperror") else "fail"
    sealers = ", ".join(one.seal.domain for one in chain.sets)
    reason = f"sealed by {sealers}" if result == "pass" else found.reason
    return AuthResult(method="arc", result=result, domain=newest.seal.domain, reason=reason)


def believed_passes(
    message: Message, chain: Chain, sealers: Sequence[str]
) -> tuple[AuthResult, ...]:
    """Return what listed sealers of a chain that holds saw pass, the newest first."""
    trusted = takewhile(lambda one: one.sealer in sealers, reversed(chain.sets))
    return tuple(
        replace(kept, by=f"the seal of {one.sealer}")
        for one in trusted
        for stated in parse_results(one.results.value.partition(";")[2])[1]
        if stated.method in BELIEVED and stated.result == "pass"
        if (kept := borne_out(stated, message, None))
    )


def _read_sets(message: Message) -> Iterator[ArcSet]:
    """Return the sets in order; raises ValueError, a sentence, for a chain that is none.

    Where a field of a set is malformed it is raised when that set is asked for.
    """
    kinds = [_find_fields(message, name) for name in NAMES]
    places = kinds[0].keys()
    if any(kind.keys() != places for kind in kinds):
        raise ValueError("a set is not complete")
    if len(places) > MAX_SETS or sorted(places) != list(range(1, len(places) + 1)):
        raise ValueError("a set is missing, or there are too many")
    return (_read_set(place, *(kind[place] for kind in kinds)) for place in sorted(places))


def _find_fields(message: Message, name: str) -> dict[int, Field]:
    """Return the fields called `name` by their instance (RFC 8617 §4.2.1)."""
    found: dict[int, Field] = {}
    for field in message.all(name):
        instance = INSTANCE[name].match(field.value[:MAX_FIELD_BYTES])
        place = int(instance[1]) if instance else 0
        if place in found:
            raise ValueError(f"set {place} has two fields of one kind")
        found[place] = field
    return found


def _read_set(place: int, results: Field, signature: Field, seal: Field) -> ArcSet:
    read = ArcSet(
        results,
        read_signature(signature.raw, mandatory=SIGNATURE_TAGS),
        read_signature(seal.raw, mandatory=SEAL_TAGS),
    )
    for one in (read.signature, read.seal):
        if one.fault:
            raise ValueError(f"set {place}: {one.fault.reason}")
    if SEAL.encode() in read.signature.signed_names or b"h" in read.seal.tags:
        raise ValueError(f"set {place} signs what it may not")  # RFC 8617 §4.1.2, §4.1.3
    if read.seal.tags[b"cv"] != (b"none" if place == 1 else b"pass"):  # §5.2, step 3
        raise ValueError(f"set {place} says of the chain before it what may not be (cv=)")
    return read


def _judge_seals(chain: Chain, keys: Keys) -> Iterator[Finding]:
    """Yield what is to be said of each seal; it covers every set up to its own (§5.1.1)."""
    hashed = hashlib.sha256()
    for one in chain.sets:
        hashed.update(_canonical(one.results.raw) + _canonical(one.signature.raw))
        covered = hashed.copy()
        own = split_field(one.seal.raw)
        dkim.hash_headers(covered, RELAXED, [], [], own, None)  # type: ignore[no-untyped-call]
        hashed.update(_canonical(one.seal.raw))
        yield _judge_seal(one.seal, covered.digest(), keys)


def _judge_seal(seal: Signature, digest: bytes, keys: Keys) -> Finding:
    key = find_key(keys.get(seal.key_name), seal)
    if isinstance(key, Finding):
        return key
    if verify(key, signature=seal.octets(b"b"), digest=digest):
        return PASS
    return Finding("fail", f"the seal of {seal.domain} does not hold")


def _canonical(raw: bytes) -> bytes:
    [(name, value)] = RELAXED.canonicalize_headers([split_field(raw)])
    return name + b":" + value  # type: ignore[no-any-return]
