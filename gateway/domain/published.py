"""What a domain publishes, held against what it is to publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.records import DnsRecord

KINDS = ("v=spf1", "v=dmarc1")  # of a name that may have other TXT records too


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One record: published, wrong with the difference, or missing."""

    record: DnsRecord
    state: str  # published | wrong | missing
    difference: str | None = None


def compare(record: DnsRecord, found: Sequence[bytes]) -> Finding:
    """Return what the TXT records `found` at a name say of the one it is to have.

    More terms in SPF than ours are right: others may send for the domain as well. A DMARC
    record of its own is right as it is: ours is but a start.
    """
    texts = [one.decode("utf-8", "replace") for one in found]
    kind = next((one for one in KINDS if record.value.lower().startswith(one)), "")
    fitting = [one for one in texts if one.lower().startswith(kind)]
    if not fitting:
        return Finding(record=record, state="missing")
    if kind and len(fitting) > 1:  # RFC 7208 §4.5, RFC 7489 §6.6.3: then none counts
        several = f"{len(fitting)} records begin with {kind}: only one may"
        return Finding(record=record, state="wrong", difference=several)
    difference = _difference(kind, record.value, fitting)
    state = "published" if difference is None else "wrong"
    return Finding(record=record, state=state, difference=difference)


def _difference(kind: str, wanted: str, fitting: Sequence[str]) -> str | None:
    if kind == "v=dmarc1":
        return None
    if kind == "v=spf1":
        said = fitting[0].lower().split()
        lacking = [one for one in wanted.split()[1:-1] if one.lower() not in said]
        return f"it lacks {' '.join(lacking)}" if lacking else None
    if any(_tags(one) == _tags(wanted) for one in fitting):
        return None
    return f"it says {fitting[0][:60]}, and is to say {wanted[:60]}"


def _tags(text: str) -> dict[str, str]:
    """Return the tags of a key record, whose spaces mean nothing (RFC 6376 §3.2)."""
    pairs = (one.partition("=") for one in "".join(text.split()).split(";") if one)
    return {name: value for name, _, value in pairs}
