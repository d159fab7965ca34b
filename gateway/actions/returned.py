"""A bounce that only people can read: no part of it is for programs (RFC 3464). Pure.

QQ, NetEase, qmail, Exim and Exchange write such ones. A mail is one only where all of this
holds: it is from a mail system, it says that a mail was given up, and the Message-ID of a mail
stands in it, or one recipient, by whom `nameless` may find that mail. What says less is a mail
like others. Whoever is known by this gets no automatic answer: `gate` refuses the same senders.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files

from gateway.actions.feedback import MAX_NAMED, MAX_READ_BYTES, ids_of_attached
from gateway.actions.gate import is_robot
from gateway.actions.parts import read_parts
from gateway.actions.undelivered import (
    MAX_FAILURES,
    MAX_SHOWN,
    STATUS_TYPES,
    Classify,
    Failure,
    Undelivered,
)
from gateway.mail.address import parse_address
from gateway.mail.message import Message, parse_message
from gateway.mail.reply import Reply, parse_reply

MAX_LOOKED_AT = 64 * 1024  # characters of an explanation
ID = re.compile(r"(?<![\w-])Message-ID:\s*(<[^<>\s]{1,500}>)", re.IGNORECASE)
HEADER = re.compile(r"(?<![\w-])(?:Return-Path|Received|Message-ID):", re.IGNORECASE)
ADDRESS = re.compile(r"[\w.+=-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", re.ASCII)
REPLY = re.compile(  # "said: 550 no", "returned '550 no'", "smtp;550 no", "550 5.1.1 no"
    r"(?:^|: |[;#'\"<(] ?|\b(?:said|returned) )(?P<code>[45]\d\d)[ -](?P<text>\S.*)"
    r"|(?<= )(?P<bare>[45]\d\d)[ -](?P<rest>[45]\.\d{1,3}\.\d{1,3}.*)"
)
STATUS = re.compile(r"#\s?([45]\.\d{1,3}\.\d{1,3})(?![\d.])")  # "(#5.1.1)", as qmail writes
EDGES = " \t\n<>()[]:;,.-，。：'\""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What `returned.toml` holds."""

    subjects: tuple[str, ...]
    sentences: tuple[str, ...]
    delays: tuple[str, ...]
    copies: tuple[str, ...]
    labels: tuple[str, ...]
    reasons_begin: tuple[str, ...]
    reasons_end: tuple[str, ...]
    meanings: tuple[tuple[str, tuple[str, ...]], ...]  # enhanced code, words


def load_words() -> Words:
    """Return the table that is shipped with us."""
    text = files("gateway.actions").joinpath("returned.toml").read_text("utf-8")
    table = tomllib.loads(text)
    meanings = tuple((one["status"], tuple(one["words"])) for one in table.pop("meanings"))
    return Words(**{name: tuple(listed) for name, listed in table.items()}, meanings=meanings)


WORDS = load_words()


def read_returned(content: bytes, *, classify: Classify) -> Undelivered | None:
    """Return the failures that a bounce for people tells of; None: it is none for certain."""
    message = parse_message(content)
    if not _is_of_mail_system(message):
        return None
    parts = read_parts(content[:MAX_READ_BYTES])
    said, copy = _divided(parts.text)
    if not _is_given_up(message.text("Subject"), said):
        return None
    if any(one.type in STATUS_TYPES for one in parts.attachments):
        return None  # a report for programs, which says that nothing failed
    ids = (*ids_of_attached(parts.attachments), *ID.findall(copy))
    own = {_key(address) for _, address in message.addresses("To")}
    reasons = _reasons(said, but=own)
    if reasons:
        failures = [_failure([name], why, classify) for name, why in reasons.items()]
    else:
        why = _within(said, WORDS.reasons_begin, WORDS.reasons_end)
        failures = [_failure(_echoed(said), why, classify)]
    if not ids and [len(one.names) for one in failures] != [1]:
        return None
    return Undelivered(
        failures=tuple(failures[:MAX_FAILURES]),
        ids=tuple(dict.fromkeys(ids))[:MAX_NAMED],
        names_failed=bool(reasons),
    )


def _is_of_mail_system(message: Message) -> bool:
    senders = [address for _, address in message.addresses("From")]
    path = message.first("Return-Path")
    is_null = path is not None and path.value.strip("<> \t") == ""
    return len(senders) == 1 and (is_null or is_robot(senders[0]))


def _is_given_up(subject: str, said: str) -> bool:
    title, text = _folded(subject), _folded(said)
    if _has(f"{title} {text}", WORDS.delays):
        return False
    return _has(title, WORDS.subjects) or _has(text, WORDS.sentences)


def _divided(text: str) -> tuple[str, str]:
    """Return what the server says, and the mail or the header that it gives back."""
    lowered = text.lower()
    marks = [at for one in WORDS.copies if (at := lowered.find(one)) >= 0]
    header = HEADER.search(text)
    starts = [*marks, *([header.start()] if header else [])]
    at = min(starts, default=len(text))
    return text[: min(at, MAX_LOOKED_AT)], text[at:]


def _reasons(said: str, *, but: Collection[str]) -> dict[str, str]:
    """Return each address that is said to have failed, with what is said behind it.

    Not those of `but`: whom the bounce is for is greeted in some.
    """
    lines = (line for line in said.splitlines() if not _is_label(line))
    text = "\n".join(lines)
    found = list(ADDRESS.finditer(text))
    reasons: dict[str, str] = {}
    for at, one in enumerate(found):
        end = found[at + 1].start() if at + 1 < len(found) else len(text)
        if key := _key(one[0]):
            reasons[key] = f"{reasons.get(key, '')} {text[one.end() : end].strip(EDGES)}"
    return {key: why for key, why in reasons.items() if key not in but and why.strip(EDGES)}


def _echoed(said: str) -> list[str]:
    """Return whom the mail was for, where that is one address."""
    lines = [line for line in said.splitlines() if _is_label(line)]
    keys = {key for line in lines for one in ADDRESS.findall(line) if (key := _key(one))}
    return list(keys) if len(keys) == 1 else []


def _failure(names: Iterable[str], why: str, classify: Classify) -> Failure:
    reply = _reply(_folded_lines(_within(why, (), WORDS.reasons_end)))
    return Failure(names=frozenset(names), reply=reply, class_=classify(reply))


def _reply(why: str) -> Reply:
    """Return the server's reply in the words of a bounce, else one that says the same."""
    if found := REPLY.search(why):
        code = int(found["code"] or found["bare"])
        reply = parse_reply(code, (found["text"] or found["rest"]).strip(EDGES)[:MAX_SHOWN])
    else:
        reply = Reply(550, None, why[:MAX_SHOWN])
    if reply.enhanced:
        return reply
    written = STATUS.search(why)
    return Reply(reply.code, written[1] if written else _status_of(why), reply.text)


def _status_of(why: str) -> str | None:
    said = _folded(why)
    return next((status for status, words in WORDS.meanings if _has(said, words)), None)


def _within(text: str, begins: Sequence[str], ends: Sequence[str]) -> str:
    """Return the part of a text behind the last of `begins` and before the first of `ends`."""
    lowered = text.lower()
    starts = [at + len(one) for one in begins if (at := lowered.find(one)) >= 0]
    start = max(starts, default=0)
    stops = [at for one in ends if (at := lowered.find(one, start)) >= 0]
    return text[start : min(stops, default=len(text))].strip(EDGES)


def _is_label(line: str) -> bool:
    return _folded(line).startswith(WORDS.labels)


def _key(address: str) -> str:
    with suppress(ValueError):
        return parse_address(address.strip(".")).key
    return ""


def _has(text: str, words: Iterable[str]) -> bool:
    return any(one in text for one in words)


def _folded(text: str) -> str:
    return _folded_lines(text).casefold()


def _folded_lines(text: str) -> str:
    return " ".join(text.replace("’", "'").split())
