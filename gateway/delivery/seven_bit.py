"""A message re-encoded for a server that takes 7 bits alone (RFC 6152 §3): pure."""

from __future__ import annotations

import re
from base64 import b64encode, encodebytes
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from urllib.parse import quote

from gateway.mail.charset import decode_text

SEVEN_BIT = compat32.clone(linesep="\r\n", max_line_length=0, cte_type="7bit")
SEALED = frozenset({"multipart/signed", "multipart/encrypted", "application/pkcs7-mime"})
QUOTED = r'"(?:[^"\\]|\\.){0,200}"'  # bounded: what never ends is looked at again and again
OF_PEOPLE = re.compile(
    r"(?:resent-)?(?:from|sender|reply-to|to|cc|bcc)|list-id|disposition-notification-to"
)
PHRASE = re.compile(
    rf"(?P<quoted>{QUOTED})|(?P<address><[^<>]*>|[^\s<>,;:()\"]*@[^\s<>,;:()\"]*)"
    r"|(?P<words>[^\s<>,;:()\"@][^<>,;:()\"@]*)|(?P<special>.)"
)
WITH_PARAMETERS = frozenset({"content-type", "content-disposition"})
PARAMETER = re.compile(
    rf"(?<![A-Za-z0-9-])(?P<name>[A-Za-z0-9-]+)\s*=\s*(?P<value>{QUOTED}|[^\s;\"]+)"
)
ENCODINGS = frozenset({"7bit", "8bit", "binary", "quoted-printable", "base64"})  # RFC 2045 §6
NOT_WRITTEN = (  # by the library
    ValueError,  # a multipart without its boundary, a number with thousands of digits
    RecursionError,  # hundreds of parts, each in another one
)
WORD_BYTES = 42  # of one encoded word, which has 75 characters at most (RFC 2047 §2)
LONGEST_LINE = 998  # RFC 5322 §2.1.1


def re_encoded(content: bytes) -> bytes | None:
    """Return the message in ASCII, None where that cannot be: a sealed part, an address."""
    try:
        return _re_encoded(content)
    except NOT_WRITTEN:
        return None


def _re_encoded(content: bytes) -> bytes | None:
    message = message_from_bytes(content, policy=SEVEN_BIT)
    for part in message.walk():
        if part.get_content_type() in SEALED and not part.as_bytes(policy=compat32).isascii():
            return None
        if not _encode_fields(part):
            return None
        if not part.is_multipart() and not _encode(part):
            return None
    if "MIME-Version" not in message:
        message["MIME-Version"] = "1.0"  # RFC 2045 §4: else no encoding counts
    made = message.as_bytes(policy=SEVEN_BIT)
    return made if made.isascii() else None


def _encode_fields(part: Message) -> bool:
    """Write a part's fields in ASCII; False where one cannot be."""
    raw = [(name, str(value)) for name, value in part.raw_items()]
    if all(value.isascii() for _, value in raw):
        return True
    for name in {name for name, _ in raw}:
        del part[name]
    for name, value in raw:
        written = value if value.isascii() else _field(name.lower(), value)
        if not written.isascii() or max(map(len, written.split("\r\n"))) > LONGEST_LINE:
            return False
        part.set_raw(name, written)
    return True


def _field(name: str, value: str) -> str:
    text = " ".join(decode_text(value.encode("utf-8", "surrogateescape")).split())
    if name in WITH_PARAMETERS:
        return PARAMETER.sub(_parameter, text).replace("; ", ";\r\n ")
    if OF_PEOPLE.fullmatch(name):
        return "".join(_of_people(text))
    return _words(text)


def _of_people(text: str) -> Iterator[str]:
    """Yield a list of mailboxes piece by piece: phrases encoded, addresses as they are."""
    for found in PHRASE.finditer(text):
        piece = found[0]
        if piece == ",":
            yield ",\r\n" if text.startswith(" ", found.end()) else piece
        elif piece.isascii() or found["address"] or text.startswith("@", found.end()):
            yield piece
        elif found["quoted"]:
            yield _words(re.sub(r"\\(.)", r"\1", piece[1:-1]))
        else:
            bare = piece.rstrip()
            yield _words(bare) + piece[len(bare) :]


def _parameter(found: re.Match[str]) -> str:
    """Return a parameter as RFC 2231 §4 has it."""
    value = found["value"]
    if value.isascii():
        return found[0]
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    return f"{found['name']}*=utf-8''{quote(value, safe='')}"


def _words(text: str) -> str:
    """Return text as encoded words, a line each (RFC 2047 §2); none cuts a character."""
    cut = [""]
    for char in text:
        if len((cut[-1] + char).encode()) > WORD_BYTES:
            cut.append("")
        cut[-1] += char
    return "\r\n ".join(f"=?utf-8?b?{b64encode(one.encode()).decode()}?=" for one in cut)


def _encode(part: Message) -> bool:
    """Write a part's body in ASCII; False where nobody knows how its bytes are encoded."""
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    if encoding != "binary" and part.as_bytes(policy=compat32).isascii():
        return True
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes) or encoding not in ENCODINGS:
        return False
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(_base64_lines(payload))
    return True


def _base64_lines(payload: bytes) -> str:
    return encodebytes(payload).decode("ascii").replace("\n", "\r\n")
