"""The hash of a body, canonicalised in pieces (RFC 6376 §3.4.3, §3.4.4).

dkimpy canonicalises a body by single calls over all of it: on 25 MB each holds the
interpreter for a second, and with it every connection. Here a piece takes a few hundred
microseconds, so that a verifying thread lets others run, and every step is linear. A test
compares with dkimpy.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from gateway.mail.line_ends import LineEnds

PIECE_BYTES = 128 * 1024
WHITE_SPACE = re.compile(rb"[\t ]+")
EMPTY_BODY = {False: b"\r\n", True: b""}  # simple, relaxed


def hash_body(content: bytes, body_at: int, *, relaxed: bool) -> bytes:
    """Return the SHA-256 of the body, which starts at `body_at`; a bare LF counts as CRLF."""
    digest = hashlib.sha256()
    if not relaxed and _has_only_crlf(content, body_at):  # nothing to write anew
        end = len(content)
        while content.endswith(b"\r\n", body_at, end):
            end -= 2
        digest.update(memoryview(content)[body_at:end])
        digest.update(b"\r\n")
        return digest.digest()
    for piece in canonical_body(content, body_at, relaxed=relaxed):
        digest.update(piece)
    return digest.digest()


def canonical_body(content: bytes, body_at: int, *, relaxed: bool) -> Iterator[bytes]:
    """Yield the canonical body in pieces; it ends in one CRLF, or is empty."""
    held, started = b"", False
    for read in _pieces(content, body_at):
        piece = held + read
        end = len(piece.rstrip(b" \t\r\n"))
        held = piece[end:]  # white space is judged with what follows it
        if end:
            started = True
            yield _canonical(piece[:end], relaxed)
    rest = _without_empty_lines(_canonical(held, relaxed))
    started = started or bool(rest)
    yield rest + b"\r\n" if started else EMPTY_BODY[relaxed]


def _has_only_crlf(content: bytes, at: int) -> bool:
    line_ends = LineEnds()
    for piece in _pieces(content, at):
        line_ends.feed(piece)
    return line_ends.are_crlf()


def _pieces(content: bytes, at: int) -> Iterator[bytes]:
    while at < len(content):
        yield content[at : at + PIECE_BYTES]
        at += PIECE_BYTES


def _canonical(piece: bytes, relaxed: bool) -> bytes:
    if b"\n" in piece:
        piece = piece.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if relaxed:
        piece = WHITE_SPACE.sub(b" ", piece).replace(b" \r\n", b"\r\n")
    return piece


def _without_empty_lines(text: bytes) -> bytes:
    end = len(text)
    while text[end - 2 : end] == b"\r\n":
        end -= 2
    return text[:end]
