"""The pattern language of `:matches` (RFC 5228 §2.7.1), in linear time, shortest captures.

`*` stands for any characters, `?` for one, and a backslash makes the next character plain.
A pattern is cut at its `*`; each piece is sought from left to right at its first place.
That the first places suffice is what makes captures shortest and the search linear.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_ANY_ONE = None
STRIDE = 1000  # characters between two calls of `go_on`

Piece = tuple[str | None, ...]  # characters; None is `?`


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern cut at its stars; `texts` has each piece as a string if it has no `?`."""

    pieces: tuple[Piece, ...]
    texts: tuple[str | None, ...]
    between: tuple[tuple[Piece, str | None], ...]  # those between the first and the last
    least: int  # characters that a value needs

    @property
    def has_wildcard(self) -> bool:
        """Whether it is more than a plain string."""
        return len(self.pieces) > 1 or self.texts[0] is None


Span = tuple[int, int]


def parse_pattern(pattern: str) -> Pattern:
    """Return the pattern of `pattern`; every string is one."""
    pieces: list[Piece] = []
    piece: list[str | None] = []
    characters = iter(pattern)
    for character in characters:
        if character == "*":
            pieces.append(tuple(piece))
            piece = []
        elif character == "?":
            piece.append(_ANY_ONE)
        elif character == "\\":
            piece.append(next(characters, "\\"))
        else:
            piece.append(character)
    pieces.append(tuple(piece))
    texts = tuple(map(_plain, pieces))
    between = tuple(zip(pieces, texts, strict=True))[1:-1]
    return Pattern(tuple(pieces), texts, between, least=sum(map(len, pieces)))


def find_spans(
    pattern: Pattern, value: str, go_on: Callable[[], None] = lambda: None
) -> list[Span] | None:
    """Return the span of `value` that each wildcard took, in order, or None if no match.

    `go_on` is called now and then in a long search; what it raises ends that.
    """
    first, last = pattern.pieces[0], pattern.pieces[-1]
    if len(value) < pattern.least:
        return None
    if not _fits(first, pattern.texts[0], value, at=0):
        return None
    if len(pattern.pieces) == 1:
        return _single_spans(first, 0) if len(value) == len(first) else None
    spans = _single_spans(first, 0)
    at, end = len(first), len(value) - len(last)
    for piece, text in pattern.between:
        if text is None:
            found = _find(piece, value, start=at, end=end, go_on=go_on)
        else:
            found = value.find(text, at, end)
        if found < 0:
            return None
        spans.append((at, found))
        if text is None:
            spans += _single_spans(piece, found)
        at = found + len(piece)
    if at > end or not _fits(last, pattern.texts[-1], value, at=end):
        return None
    return [*spans, (at, end), *_single_spans(last, end)]


def _plain(piece: Piece) -> str | None:
    characters = [character for character in piece if character is not None]
    return "".join(characters) if len(characters) == len(piece) else None


def _fits(piece: Piece, text: str | None, value: str, *, at: int) -> bool:
    if text is not None:
        return value.startswith(text, at)
    return len(value) - at >= len(piece) and all(
        wanted is None or value[at + offset] == wanted for offset, wanted in enumerate(piece)
    )


def _single_spans(piece: Piece, at: int) -> list[Span]:
    return [(at + n, at + n + 1) for n, wanted in enumerate(piece) if wanted is None]


def _find(piece: Piece, value: str, *, start: int, end: int, go_on: Callable[[], None]) -> int:
    """Return the first place of the piece within value[start:end], or -1.

    Shift-And: one bit for each place of the piece, moved along with each character.
    """
    everywhere = int("".join("1" if one is None else "0" for one in reversed(piece)), 2)
    masks: dict[str, int] = {}
    for n, wanted in enumerate(piece):
        if not n % STRIDE:
            go_on()
        if wanted is not None:
            masks[wanted] = masks.get(wanted, everywhere) | 1 << n
    accept, state = 1 << len(piece) - 1, 0
    for at in range(start, end):
        if not at % STRIDE:
            go_on()
        state = (state << 1 | 1) & masks.get(value[at], everywhere)
        if state & accept:
            return at - len(piece) + 1
    return -1
