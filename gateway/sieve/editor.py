"""The language as data for editors and help: every command and test, from its declaration."""

from __future__ import annotations

from typing import Any

from gateway.sieve.language import CAPABILITIES, LANGUAGE
from gateway.sieve.signature import Positional, Signature, Tagged, Tests

_TESTS = {Tests.NONE: "none", Tests.ONE: "one", Tests.LIST: "list"}


def words_of_language() -> dict[str, Any]:
    """Return commands, tests and extensions with their arguments and a line of help each."""
    known = LANGUAGE.signatures.values()
    return {
        "commands": [_row(one) for one in known if one.is_command],
        "tests": [_row(one) for one in known if one.is_test],
        "extensions": sorted(CAPABILITIES),
        "variables": list(LANGUAGE.read_only),
    }


def usage_of(signature: Signature) -> str:
    """Return the usage line, as RFC 5228 §2.10 writes them: groups share one bracket."""
    groups: dict[str, list[str]] = {}
    for tag in signature.tags:
        groups.setdefault(tag.group or tag.name, []).append(_shown(tag))
    tags = [f"[{' / '.join(group)}]" for group in groups.values()]
    places = [
        f"[<{one.name}>]" if _is_optional(signature, at) else f"<{one.name}>"
        for at, one in enumerate(signature.positionals)
    ]
    rest = {Tests.NONE: [], Tests.ONE: ["<test>"], Tests.LIST: ["(<test>, ...)"]}
    block = ["{ ... }"] if signature.block else []
    return " ".join([signature.name, *tags, *places, *rest[signature.tests], *block])


def _row(signature: Signature) -> dict[str, Any]:
    return {
        "name": signature.name,
        "help": signature.help,
        "usage": usage_of(signature),
        "extension": signature.capability or None,
        "tags": [_tag_row(one) for one in signature.tags],
        "arguments": [
            _argument_row(one, optional=_is_optional(signature, at))
            for at, one in enumerate(signature.positionals)
        ],
        "tests": _TESTS[signature.tests],
        "block": signature.block,
    }


def _tag_row(tag: Tagged) -> dict[str, Any]:
    return {
        "name": f":{tag.name}",
        "help": tag.help,
        "value": tag.value.value if tag.value else None,
        "group": tag.group or None,
        "extension": tag.capability or None,
    }


def _argument_row(argument: Positional, *, optional: bool) -> dict[str, Any]:
    return {"name": argument.name, "kind": argument.kind.value, "optional": optional}


def _is_optional(signature: Signature, at: int) -> bool:
    if signature.optional_last:
        return at >= len(signature.positionals) - signature.optional
    return at < signature.optional


def _shown(tag: Tagged) -> str:
    return f":{tag.name} <{tag.value.value}>" if tag.value else f":{tag.name}"
