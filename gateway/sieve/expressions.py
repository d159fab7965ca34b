"""Regular expressions: POSIX extended, leftmost-longest, by RE2 in linear time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import re2


class BadPattern(ValueError):
    """A pattern that RE2 refuses; its reason."""


def search(pattern: str, text: bytes, *, folds: bool, max_bytes: int) -> Sequence[str] | None:
    """Return the match and its groups in `text`, or None; raises BadPattern."""
    found = compile_pattern(pattern, folds, max_bytes).search(text)
    if found is None:
        return None
    return [_text(group) for group in (found.group(0), *found.groups())]


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str, folds: bool, max_bytes: int) -> Any:
    """Return the compiled pattern; `folds` ignores case. Raises BadPattern."""
    options = re2.Options()
    options.posix_syntax = True
    options.longest_match = True
    options.perl_classes = True
    options.word_boundary = True
    options.case_sensitive = not folds
    options.log_errors = False
    options.max_mem = max_bytes
    try:
        octets = _counted(pattern).encode("utf-8", "surrogateescape")
        return re2.compile(octets, options)  # type: ignore[no-untyped-call] # re2 has no types
    except re2.error as error:
        reason = _reason(error)
        hint = "; a bracket that means itself is \\\\( in a string" if "(" in pattern else ""
        raise BadPattern(f"this is no regular expression: {reason}{hint}") from error


def _counted(pattern: str) -> str:
    """Return the pattern with `{0,n}` for each `{,n}`, which RE2 takes for plain text."""
    first, *pieces = pattern.split("{,")
    found = first
    for piece in pieces:
        is_escaped = (len(found) - len(found.rstrip("\\"))) % 2 == 1
        most, end, _ = piece.partition("}")
        found += "{0," if end and most.isdigit() and not is_escaped else "{,"
        found += piece
    return found


def _text(group: bytes | None) -> str:
    return "" if group is None else group.decode("utf-8", "surrogateescape")


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
