"""The whole language: every extension, in one table."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.sieve.checker import Language, Namespace
from gateway.sieve.comparators import COMPARATORS
from gateway.sieve.extensions import (
    actions,
    address,
    body,
    control,
    date,
    editheader,
    enotify,
    envelope,
    foreverypart,
    gateway_agent,
    gateway_chain,
    gateway_route,
    gateway_sender,
    header,
    imap4flags,
    include,
    logic,
    reject,
    scores,
    surroundings,
    vacation,
    variables,
)
from gateway.sieve.signature import Signature

_MODULES = (
    control,
    logic,
    header,
    address,
    actions,
    envelope,
    variables,
    reject,
    vacation,
    imap4flags,
    body,
    editheader,
    date,
    foreverypart,
    include,
    surroundings,
    scores,
    enotify,
    gateway_chain,
    gateway_route,
    gateway_agent,
    gateway_sender,
)


def table(signatures: Iterable[Signature]) -> dict[str, Signature]:
    """Return the signatures by their names."""
    return {one.name: one for one in signatures}


def capabilities(signatures: Iterable[Signature]) -> frozenset[str]:
    """Return every capability that the signatures or their tags name."""
    found = {one.capability for one in signatures}
    found |= {tag.capability for one in signatures for tag in one.tags}
    return frozenset(found - {""})


SIGNATURES = tuple(one for module in _MODULES for one in module.SIGNATURES)
CAPABILITIES = capabilities(SIGNATURES) | {
    "encoded-character",
    "extlists",
    "mime",
    gateway_sender.TEMPLATE,
    *(f"comparator-{name}" for name in COMPARATORS),
}
NAMESPACES: dict[str, tuple[str, Namespace]] = {
    "global": ("include", include.GLOBAL),
    **{
        space: (gateway_sender.TEMPLATE, gateway_sender.read_only(space))
        for space in ("message", "tenant", "conversation")
    },
}
LANGUAGE = Language(
    signatures=table(SIGNATURES),
    capabilities=CAPABILITIES,
    namespaces=NAMESPACES,
    implied={"vacation-seconds": "vacation", "spamtestplus": "spamtest"},
)
