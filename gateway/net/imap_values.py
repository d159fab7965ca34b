"""What an IMAP session hands over: refusals, folders, listed messages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imapclient.imap_utf7 import decode as decode_utf7
from imapclient.response_parser import parse_response

from gateway.mail.charset import decode_text


@dataclass(frozen=True, slots=True)
class ImapRefused:
    """A NO, BAD or BYE of the server: `imap-login`, `imap-select` or `imap-any`, its words."""

    phase: str
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder, selected or asked about; `next_uid` is None where the server does not say."""

    name: str
    uidvalidity: int
    next_uid: int | None
    messages: int


@dataclass(frozen=True, slots=True)
class FolderName:
    """A folder as listed: its name, decoded, and its attributes such as `\\\\Junk`."""

    name: str
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A message in the selected folder, without its content; `internal_date` is aware.

    `size_bytes` is None where it was not asked for.
    """

    uid: int
    size_bytes: int | None
    internal_date: datetime | None
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some content of a message, or all of it, also where a part was asked for."""

    content: bytes
    is_whole: bool


def listed_from(uid: int, item: dict[bytes, Any]) -> Listed:
    """Return one entry of a FETCH answer as a listed message."""
    at, size = item.get(b"INTERNALDATE"), item.get(b"RFC822.SIZE")
    return Listed(
        uid=uid,
        size_bytes=None if size is None else int(size),
        internal_date=at.astimezone(UTC) if at is not None else None,
        flags=words_of(item.get(b"FLAGS")),
    )


def words_of(listed: Any) -> frozenset[str]:
    """Return flags or attributes as text: the library makes numbers of some, None of NIL."""
    return frozenset(
        decode_text(one) if isinstance(one, bytes) else str(one) for one in listed or ()
    )


def folder_from(name: str, lines: list[Any]) -> Folder:
    """Return the answer to STATUS; raises ValueError or LookupError where it is none."""
    words: Any = parse_response(lines)[-1]
    found = dict(zip(words[::2], words[1::2], strict=True))
    return Folder(
        name=name,
        uidvalidity=int(found[b"UIDVALIDITY"]),
        next_uid=int(found[b"UIDNEXT"]),
        messages=int(found[b"MESSAGES"]),
    )


def piece_from(item: dict[bytes, Any] | None) -> Piece | None:
    """Return the content in one entry of a FETCH answer, None where it holds none.

    Behind the end of a message some say NIL: an empty piece.
    """
    for key, value in (item or {}).items():
        name = key.upper()
        if name == b"BODY[]" and isinstance(value, bytes):
            return Piece(value, is_whole=True)
        if name.startswith(b"BODY[]<"):
            return Piece(value if isinstance(value, bytes) else b"", is_whole=False)
    return None


def folder_names(listed: Iterable[tuple[Any, Any, Any]]) -> list[FolderName]:
    """Return what LIST tells: attributes, delimiter and name of each folder."""
    return [FolderName(decode_folder(name), words_of(words)) for words, _, name in listed]


def decode_folder(name: str | bytes) -> str:
    """Return a folder's name from modified UTF-7 (RFC 3501 §5.1.3), or as it is."""
    raw = name if isinstance(name, bytes) else name.encode()
    try:
        return str(decode_utf7(raw)) if raw.isascii() else decode_text(raw)
    except ValueError:
        return decode_text(raw)


def with_prefix(folder: str, prefixes: tuple[str, ...]) -> str:
    """Return a folder's name as a server has it that keeps all folders below a prefix.

    `prefixes` are those of its namespaces, the personal one first (RFC 2342 §5). "INBOX" has
    none.
    """
    others = tuple(one for one in prefixes if one)
    if folder.upper() == "INBOX" or not others or folder.startswith(others):
        return folder
    return prefixes[0] + folder
