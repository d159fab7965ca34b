"""HTML to the text a person would read, in one pass; no rendering, no fetching."""

from __future__ import annotations

import html

MAX_ENTITY = 16  # characters of a numeric one
_DIGITS = frozenset("0123456789")
_HIDDEN = ("script", "style", "head", "title")
_BREAKS = frozenset({"br", "p", "div", "tr", "li", "table", "h1", "h2", "h3", "h4", "hr"})


def text_of_html(source: str) -> str:
    """Return `source` without tags, comments, scripts and styles, entities decoded."""
    parts: list[str] = []
    lowered = source.lower() if source.isascii() else _ascii_lower(source)
    at = 0
    while at < len(source):
        start = source.find("<", at)
        if start < 0:
            parts.append(source[at:])
            break
        parts.append(source[at:start])
        at = _markup_end(lowered, start, parts)
    return html.unescape(_without_long_numbers("".join(parts)))


def _without_long_numbers(text: str) -> str:
    """Cut `&#` with more digits than any character has: Python makes no number of thousands."""
    parts: list[str] = []
    at = 0
    while (start := text.find("&#", at)) >= 0:
        end = start + 2
        while end < len(text) and text[end] in _DIGITS:
            end += 1
        parts.append(text[at : start + 2 if end - start > MAX_ENTITY else end])
        at = end
    return "".join([*parts, text[at:]])


def _markup_end(lowered: str, start: int, parts: list[str]) -> int:
    """Return where the markup at `start` ends; a line break is left in its place."""
    if lowered.startswith("<!--", start):
        return _behind(lowered, "-->", start)
    if lowered[start + 1 : start + 2] not in _TAG_STARTS:
        parts.append("<")
        return start + 1
    name = _tag_name(lowered, start + 1)
    end = _behind(lowered, ">", start)
    if name in _HIDDEN:
        return _behind(lowered, ">", _before(lowered, f"</{name}", end))
    if name in _BREAKS:
        parts.append("\r\n")
    return end


_TAG_STARTS = frozenset("abcdefghijklmnopqrstuvwxyz/!?")


def _tag_name(lowered: str, at: int) -> str:
    end = at
    while end < len(lowered) and end - at < 20 and lowered[end].isalnum():
        end += 1
    return lowered[at:end]


def _before(lowered: str, mark: str, at: int) -> int:
    found = lowered.find(mark, at)
    return len(lowered) if found < 0 else found


def _behind(lowered: str, mark: str, at: int) -> int:
    found = lowered.find(mark, at)
    return len(lowered) if found < 0 else found + len(mark)


def _ascii_lower(text: str) -> str:
    """Lower-case ASCII alone, so that every place stays the same."""
    return text.translate({ord(c): ord(c) + 32 for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})
