"""`mailto:` addresses of notifications (RFC 6068, RFC 5436), and the mail they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from gateway.sieve.addresses import Mailbox, parse_mailboxes
from gateway.sieve.encoded_words import decode_words, encode_words

_ALLOWED = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$'()*+,:@%"
)
MAX_SUBJECT = 256  # characters
_IN_VALUES = _ALLOWED | {"/", "?"}
_IGNORED = frozenset(  # RFC 5436 §2.7: must not be taken from the URI
    [
        "from",
        "to",
        "cc",
        "bcc",
        "subject",
        "body",
        "auto-submitted",
        "received",
        "message-id",
        "date",
        "sender",
        "mime-version",
        "content-type",
        "content-transfer-encoding",
    ]
)
_IMPORTANCE = {
    "1": ("1 (Highest)", "high"),
    "2": ("3 (Normal)", "normal"),
    "3": ("5 (Lowest)", "low"),
}


class BadAddress(ValueError):
    """A URI that is no valid `mailto:`; one sentence."""


@dataclass(slots=True)
class Mailto:
    """What a `mailto:` says."""

    to: list[Mailbox] = field(default_factory=list)
    cc: list[Mailbox] = field(default_factory=list)
    subject: str = ""
    body: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)


def parse_mailto(uri: str) -> Mailto:
    """Return what the URI says; raises BadAddress."""
    scheme, colon, rest = uri.partition(":")
    if not colon or scheme.lower() != "mailto":
        raise BadAddress(f"the method '{scheme[:30]}' is not known; only 'mailto:' is")
    path, _, query = rest.partition("?")
    found = Mailto()
    _check(path, _ALLOWED, "recipient")
    found.to.extend(_mailboxes(path))
    for piece in query.split("&") if query else ():
        name, _, value = piece.partition("=")
        _check(name, _ALLOWED - {":"}, "header name")
        _check(value, _IN_VALUES, "header value")
        _take(found, unquote(name).lower(), value)
    if not found.to and not found.cc:
        raise BadAddress("the 'mailto:' has no recipient")
    return found


def compose_notification(
    found: Mailto,
    *,
    sender: str,
    message: str | None,
    importance: str | None,
    automatic: str = "auto-notified",
) -> bytes:
    """Return the mail (RFC 5436 §2); `sender` is what From shows."""
    priority, word = _IMPORTANCE[importance or "2"]
    subject = found.subject or message or "New mail notification"
    head = [
        ("X-Sieve", "mail gateway"),
        ("From", sender),
        ("To", ",\r\n ".join(map(_shown, found.to))),
        *([("Cc", ",\r\n ".join(map(_shown, found.cc)))] if found.cc else []),
        ("Subject", encode_words(_cut(decode_words(subject)))),
        ("X-Priority", priority),
        ("Importance", word),
        ("Auto-Submitted", automatic),
        *((name, encode_words(value)) for name, value in found.headers),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit"),
    ]
    body = found.body or message or "Notification of new mail."
    lines = "".join(f"{name}: {value}\r\n" for name, value in head)
    return f"{lines}\r\n{body}\r\n".encode("utf-8", "surrogateescape")


def without(mailboxes: Sequence[Mailbox], known: set[str]) -> list[Mailbox]:
    """Return the addresses that are not in `known`, and add them to it."""
    kept: list[Mailbox] = []
    for mailbox in mailboxes:
        if mailbox.address.lower() not in known:
            known.add(mailbox.address.lower())
            kept.append(mailbox)
    return kept


def _cut(subject: str) -> str:
    return subject if len(subject) <= MAX_SUBJECT else subject[: MAX_SUBJECT - 1] + "…"


def _check(text: str, allowed: frozenset[str], what: str) -> None:
    bad = next((character for character in text if character not in allowed), None)
    if bad is not None:
        raise BadAddress(f"the {what} of the 'mailto:' has an invalid character '{bad!a:.12}'")


def _mailboxes(text: str) -> list[Mailbox]:
    value = unquote(text, errors="surrogateescape")
    found = parse_mailboxes(value)
    pieces = [piece for piece in value.split(",") if piece.strip()]
    if any(not one.local or not one.domain for one in found) or len(found) < len(pieces):
        raise BadAddress(f"'{value[:100]}' is not a list of mail addresses")
    return found


def _take(found: Mailto, name: str, value: str) -> None:
    if not name or any(not "!" <= c <= "~" or c == ":" for c in name):
        raise BadAddress(f"'{name[:40]}' is not the name of a header")
    if name in ("to", "cc"):
        (found.to if name == "to" else found.cc).extend(_mailboxes(value))
    elif name == "subject":
        found.subject = unquote(value)
    elif name == "body":
        found.body = unquote(value)
    elif name not in _IGNORED and not name.startswith(("resent-", "list-", "x-gateway-")):
        found.headers.append((name, unquote(value)))


def _shown(mailbox: Mailbox) -> str:
    name = decode_words(mailbox.name)
    if not name:
        return mailbox.address
    if name.isascii():
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{mailbox.address}>'
    return f"{encode_words(name)} <{mailbox.address}>"
