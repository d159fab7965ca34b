"""What a server says: a code, an enhanced code, a text (RFC 5321 §4.2, RFC 3463)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

LINE = re.compile(r"(\d{3})(?: (.*))?")
ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")


class Outcome(StrEnum):
    """What a reply says by its first digit alone."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of a server, ours or a remote's; lines of a multi-line text joined by LF."""

    code: int
    enhanced: str | None
    text: str

    @property
    def outcome(self) -> Outcome:
        """Judge by the first digit alone (RFC 5321 §4.2.1); what it means for
        the message is for `delivery.verdict` to say."""
        match self.code // 100:
            case 2:
                return Outcome.DELIVERED
            case 5:
                return Outcome.FAILED
            case _:  # 4yz and the unknown: trying again never loses mail
                return Outcome.DEFERRED

    def as_line(self) -> str:
        """Return the reply as one line without CRLF, as aiosmtpd's hooks and tables take it.

        Words of our own, whose code is 0, stand there without it.
        """
        return f"{self.code} {self.phrase}".rstrip() if self.code else self.phrase

    @property
    def phrase(self) -> str:
        """The reply without its code: `5.1.1 No such user`."""
        words = [self.enhanced or "", " ".join(self.text.split())]
        return " ".join(word for word in words if word)


def read_line(line: str) -> Reply:
    """Return the reply that `as_line` wrote; what has no code is words of our own."""
    found = LINE.fullmatch(line)
    return parse_reply(int(found[1]), found[2] or "") if found else Reply(0, None, line)


def parse_reply(code: int, text: str) -> Reply:
    """Return the reply with its enhanced code taken off each line of `text` (RFC 2034 §4)."""
    lines = text.replace("\r\n", "\n").split("\n")
    enhanced = None
    kept = []
    for line in lines:
        found = ENHANCED.match(line)
        enhanced = enhanced or (found.group(1) if found else None)
        kept.append(line[found.end() :] if found else line)
    return Reply(code, enhanced, "\n".join(kept).strip())
