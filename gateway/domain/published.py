"""What a domain publishes, held against what it is to publish."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from gateway.domain.records import DnsRecord

MOST_LOOKUPS = 10  # RFC 7208 §4.6.4
ASKING = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
TERM = re.compile(r"[-+~?]?([a-z0-9]+)(?:[:=]([^/%]+)$)?")
BEFORE, MAX_SHOWN = 20, 60  # characters: before a difference, in all
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


async def bounded(
    finding: Finding, found: Sequence[bytes], *, txt: Callable[[str], Awaitable[list[bytes]]]
) -> Finding:
    """Return the finding, wrong where its SPF record asks for more than receivers look up.

    `txt` looks up the TXT records of a name; what it raises is passed on.
    """
    if finding.state != "published" or not finding.record.value.startswith(KINDS[0]):
        return finding
    count, waiting = 0, _spf_of(found)
    while waiting and count <= MOST_LOOKUPS:
        asks, names = _look_ups(waiting.pop())
        count += asks
        for name in names[:MOST_LOOKUPS]:
            waiting += _spf_of(await txt(name))
    if count <= MOST_LOOKUPS:
        return finding
    several = f"it takes more than {MOST_LOOKUPS} look-ups, with what it includes: none counts"
    return replace(finding, state="wrong", difference=several)


def _spf_of(found: Sequence[bytes]) -> list[str]:
    texts = (one.decode("utf-8", "replace").lower() for one in found)
    return [one for one in texts if one.startswith(KINDS[0])]


def _look_ups(text: str) -> tuple[int, list[str]]:
    """Return how many look-ups a record asks for itself, and whose records it takes in."""
    terms = [one for one in map(TERM.match, text.split()[1:]) if one and one[1] in ASKING]
    taken = [one[2] for one in terms if one[1] in ("include", "redirect") and one[2]]
    return len(terms), taken


def _difference(kind: str, wanted: str, fitting: Sequence[str]) -> str | None:
    if kind == "v=dmarc1":
        return None if "p" in _tags(fitting[0].lower()) else "it lacks p="
    if kind == "v=spf1":
        said = [one.removeprefix("+") for one in fitting[0].lower().split()]  # RFC 7208 §4.6.2
        lacking = [one for one in wanted.split()[1:-1] if one.lower() not in said]
        return f"it lacks {' '.join(lacking)}" if lacking else None
    if any(_tags(one) == _tags(wanted) for one in fitting):
        return None
    return _where_they_part(fitting[0], wanted)


def _where_they_part(said: str, wanted: str) -> str:
    """Tell two key records apart: every RSA key begins with the same 60 characters."""
    has, wants = "".join(said.split()), "".join(wanted.split())
    if has and wants.startswith(has):
        return (
            f"it ends after {len(has)} of {len(wants)} characters: where a DNS page takes 255"
            " at most, enter it as several quoted strings"
        )
    pairs = enumerate(zip(has, wants, strict=False))
    common = next((at for at, (one, other) in pairs if one != other), len(wants))
    start = max(0, common - BEFORE)
    before = "..." if start else ""
    shown = [f"{before}{one[start : start + MAX_SHOWN]}" for one in (has, wants)]
    return f"it says {shown[0]}, and is to say {shown[1]}"


def _tags(text: str) -> dict[str, str]:
    """Return the tags of a key record, whose spaces mean nothing (RFC 6376 §3.2)."""
    pairs = (one.partition("=") for one in "".join(text.split()).split(";") if one)
    return {name: value for name, _, value in pairs}
