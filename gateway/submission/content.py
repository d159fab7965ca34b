"""Pure: the bytes after DATA, in blocks as they come, to the content of a message.

The end is CRLF.CRLF and nothing else, and CR and LF stand only together (RFC 5321 §2.3.8,
§4.1.1.4): a server that is less strict lets one message carry another past its checks.
Everything is searched in whole blocks: a loop over lines costs five times as much.
"""

from __future__ import annotations

from gateway.mail.line_ends import LineEnds
from gateway.mail.reply import Reply

CRLF = b"\r\n"
END = b"\r\n.\r\n"
LONE_DOT = b".\r\n"
REACH = len(END) - 1  # how many bytes of an end may lie on the other side of a border
MAX_LINE_BYTES = 998  # RFC 5322 §2.1.1, without CRLF
MAX_HEADER_BYTES = 256 * 1024


class Content:
    """Gathers blocks until the end; over `max_bytes` it keeps none, only looks for the end."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._blocks: list[bytes] = []
        self._tail = CRLF  # that of the DATA command: a lone dot may come first
        self._refusal: Reply | None = None
        self._line_ends = LineEnds()
        self._has_nul = False
        self.size_bytes = 0  # of all that was fed, kept or not

    def feed(self, block: bytes) -> bytes | None:
        """Take a block; return what follows the end, or None while the end has not come."""
        at = _find_end(self._tail, block)
        taken = block if at < 0 else block[:at]
        self.size_bytes += len(taken)
        self._blocks.append(taken)
        if self.is_too_big:
            self.drop(too_big(self._max_bytes))
        elif self._refusal is not None:
            self._blocks.clear()
        else:
            self._line_ends.feed(taken)
            self._has_nul = self._has_nul or b"\0" in taken
        self._tail = (self._tail + block[-REACH:])[-REACH:]
        return None if at < 0 else block[at:]

    @property
    def kept_bytes(self) -> int:
        """How much of that is held in memory."""
        return 0 if self._refusal else self.size_bytes

    @property
    def is_too_big(self) -> bool:
        """Whether the data without the final dot is over the limit."""
        return self.size_bytes > self._max_bytes + len(LONE_DOT)

    def drop(self, refusal: Reply) -> None:
        """Keep nothing, from now on neither; that is what it is refused with."""
        self._refusal = refusal
        self._blocks.clear()

    def take(self) -> bytes | Reply:
        """Return the content, dots unstuffed (RFC 5321 §4.5.2), or why it is refused."""
        if self._refusal is not None:
            return self._refusal
        content = _without_dot(self._blocks)
        self._blocks.clear()
        if content.startswith(b"."):
            content = content[1:]
        if content.rfind(b"\r\n.") >= 0:  # half the time that `in` takes
            content = content.replace(b"\r\n.", CRLF)
        return self._find_fault() or _find_fault(content) or content

    def _find_fault(self) -> Reply | None:
        """Refuse what may not be in any message; each block was looked through."""
        if not self._line_ends.are_crlf():
            return Reply(550, "5.6.0", "The message has a CR or LF alone: lines end with CR LF")
        if self._has_nul:
            return Reply(550, "5.6.0", "The message has a NUL byte (RFC 5322, section 4)")
        return None


def too_big(max_bytes: int) -> Reply:
    """Return the refusal of a message over the limit (RFC 1870 §6.1, RFC 3463 §3.4)."""
    return Reply(552, "5.3.4", f"The message is larger than {max_bytes} bytes")


def _find_end(tail: bytes, block: bytes) -> int:
    """Return where in `block` the end is over, -1 when it is not there; `tail` came before."""
    border = tail + block[:REACH]
    if (at := border.find(END)) >= 0:
        return at + len(END) - len(tail)
    at = block.find(END) if block.rfind(END) >= 0 else -1  # backwards it is faster
    return at + len(END) if at >= 0 else -1


def _without_dot(blocks: list[bytes]) -> bytes:
    """Return the blocks as one, up to the final dot; large ones are copied only once."""
    left = len(LONE_DOT)
    while left:
        last = blocks.pop()
        if len(last) > left:
            blocks.append(last[:-left])
        left = max(0, left - len(last))
    return b"".join(blocks)


def _find_fault(content: bytes) -> Reply | None:
    if _has_long_line(content):
        return Reply(
            550, "5.6.0", f"A line is longer than {MAX_LINE_BYTES} bytes (RFC 5322, section"
            " 2.1.1): send the text as quoted-printable or Base64",
        )  # fmt: skip
    if content.find(CRLF * 2, 0, MAX_HEADER_BYTES) < 0 and len(content) > MAX_HEADER_BYTES:
        return Reply(552, "5.3.4", f"The header is larger than {MAX_HEADER_BYTES} bytes")
    return None


def _has_long_line(content: bytes) -> bool:
    """Hop from line end to line end, as far as a line may reach at once."""
    at, longest = 0, MAX_LINE_BYTES + len(CRLF)
    while at + longest < len(content):
        at = content.rfind(b"\n", at, at + longest) + 1
        if at == 0:
            return True
    return False
