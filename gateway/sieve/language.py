"""The whole language: every extension, in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gateway.sieve.checker import Builder, Language, Namespace
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
    older,
    reject,
    scores,
    surroundings,
    vacation,
    variables,
)
from gateway.sieve.runtime import Command, Run
from gateway.sieve.signature import Given, Signature

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
    older,
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
    older.DUPLICATE,
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
    read_only=tuple(gateway_sender.NAMES),
    older=table(older.OLDER),
    rivals={**older.RIVALS, **{new: old for old, new in older.RIVALS.items()}},
)

MISPLACED = {  # commands that a chain of that kind cannot carry out, and what to do instead
    "inbound": (
        ("setfrom", "setreplyto", "footer"),
        "changes mail that a helpdesk sends; put it into a file of an outbound folder",
    ),
    "outbound": (
        ("fileinto", "route", "redirect", "vacation", "agent"),
        "makes no sense for mail that leaves; an outbound chain may reject, hold or edit it",
    ),
}


def language_of(chain: str) -> Language:
    """Return the language of an `inbound` or `outbound` chain; the misplaced is an error."""
    names, instead = MISPLACED[chain]

    def refuse(given: Given, builder: Builder) -> Command:
        builder.error(given.call, f"'{given.call.name}' {instead}")
        return _nothing

    refused = {name: replace(LANGUAGE.signatures[name], build=refuse) for name in names}
    return replace(LANGUAGE, signatures={**LANGUAGE.signatures, **refused})


def _nothing(run: Run) -> None:
    """Stand in for a command of a script that does not compile."""
