"""Pure: what scripts did to a header, as the recorded edits that everything else makes.

A script removes one field by its place (RFC 5293 §5); a recorded edit removes every field of
a name. So a name of which fields were removed is taken out and what is left of it set anew,
in its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from email.header import Header

from gateway.mail.message import Edit, Message
from gateway.sieve.interface import HeaderEdit

FOREIGN_PREFIX = "x-gateway-"
MAX_FOREIGN = 50
OURS = (
    "X-Gateway-Id", "X-Gateway-Mailbox", "X-Gateway-Conversation", "X-Gateway-Tags",
    "X-Gateway-Field", "X-Gateway-Auth", "X-Gateway-Backfill", "X-Gateway-Junk",
)  # fmt: skip


def recorded(message: Message, edits: Sequence[HeaderEdit]) -> tuple[Edit, ...]:
    """Return the edits of a script on `message` as recorded edits with the same result."""
    removed = dict.fromkeys(edit.name.lower() for edit in edits if edit.value is None)
    made: list[Edit] = []
    for name in removed:
        made.extend(_set_anew(message, name, edits))
    for edit in edits:
        if edit.value is not None and edit.name.lower() not in removed:
            made.append(Edit(edit.name, _safe(edit.value), last=edit.last))
    return tuple(made)


def foreign_marks(message: Message, keep: Iterable[str] = ()) -> tuple[Edit, ...]:
    """Return the edits that take out `X-Gateway-` fields which others wrote.

    Ours are always among them; of names that nobody reads at most MAX_FOREIGN.
    """
    kept = {name.lower() for name in keep}
    present = {field.name.lower(): field.name for field in message.fields}
    known = [name for name in OURS if name.lower() in present]
    others = [
        name
        for key, name in present.items()
        if key.startswith(FOREIGN_PREFIX) and key not in {one.lower() for one in OURS}
    ]
    wanted = [name for name in [*known, *others[:MAX_FOREIGN]] if name.lower() not in kept]
    return tuple(Edit(name, None) for name in wanted)


def _set_anew(message: Message, name: str, edits: Sequence[HeaderEdit]) -> list[Edit]:
    values = [(field.name, _raw_value(field.raw)) for field in message.all(name)]
    for edit in edits:
        if edit.name.lower() != name:
            continue
        if edit.value is not None:
            values.insert(len(values) if edit.last else 0, (edit.name, _safe(edit.value)))
        elif 0 < edit.index <= len(values):
            del values[edit.index - 1]
    gone = [Edit(name, None)] if message.first(name) else []
    return [*gone, *(Edit(shown, value, last=True) for shown, value in values)]


def _safe(value: str) -> str:
    """A script's value loses CR, LF and control characters; what is not ASCII is encoded."""
    octets = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    clean = "".join(char if char.isprintable() else " " for char in octets)
    if clean.isascii():
        return clean
    return Header(clean, "utf-8").encode(linesep="\r\n")  # RFC 2047


def _raw_value(raw: bytes) -> str:
    """The value as it was folded: set anew it is the same lines."""
    text = raw.split(b":", 1)[1].decode("utf-8", "surrogateescape")
    return text.rstrip("\r\n").lstrip(" \t")
