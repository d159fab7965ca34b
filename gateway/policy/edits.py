"""Pure: what scripts did to a header, as the recorded edits that everything else makes.

A script removes one field by its place (RFC 5293 §5); a recorded edit removes every field of
a name. So a name of which fields were removed is taken out and what is left of it set anew,
in its order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from email.header import Header

from gateway.mail.message import Edit, Message
from gateway.sieve.charsets import as_text
from gateway.sieve.interface import HeaderEdit

FOREIGN_PREFIX = "x-gateway-"
MAX_FOREIGN = 50
LARGE_BYTES = 16 * 1024
PIECE_BYTES = 256  # found again, it is no chance
RESULTS = "Authentication-Results"
FOLD = "\r\n "  # RFC 5322 §2.2.3; lines have at most 998 characters (§2.1.1)
OURS = (
    "X-Gateway-Id", "X-Gateway-Mailbox", "X-Gateway-Conversation", "X-Gateway-Sequence",
    "X-Gateway-Conversation-Ref",
    "X-Gateway-Linked", "X-Gateway-Tags", "X-Gateway-Field", "X-Gateway-Auth",
    "X-Gateway-Backfill", "X-Gateway-Junk",
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


def rewritten(old: bytes, new: bytes) -> tuple[Edit, ...]:
    """Return the edits that make `new` of `old` (RFC 5703 §5, §6).

    Of what both have in common nothing is kept a second time.
    """
    at = new.find(old)
    if at >= 0:  # enclosed: in the order in which the first offset stays what it is
        behind = new[at + len(old) :]
        return (_splice(len(old), len(old), behind), _splice(0, 0, new[:at]))
    changes = [*_changes(old, new)]
    return tuple(_splice(*one) for one in reversed(changes))  # what is behind moves nothing


def _changes(old: bytes, new: bytes, at: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and new bytes of each place that differs; `old` stands at `at`.

    What is large is cut where both have a piece in common: of two parts that were replaced
    the attachment between them is kept once.
    """
    start = _alike(old, new)
    alike = _alike(old[start:][::-1], new[start:][::-1])
    old, new = old[start : len(old) - alike], new[start : len(new) - alike]
    gone = max(0, len(old) - len(new)) + LARGE_BYTES  # so much farther in front at the most
    for part in (2, 4, 3) if len(old) > LARGE_BYTES else ():
        here = len(old) // part
        there = new.find(old[here : here + PIECE_BYTES], max(0, here - gone))
        if there >= 0:
            yield from _changes(old[:here], new[:there], at + start)
            yield from _changes(old[here:], new[there:], at + start + here)
            return
    if old or new:
        yield at + start, at + start + len(old), new


def _splice(start: int, end: int, octets: bytes) -> Edit:
    return Edit("", octets.decode("utf-8", "surrogateescape"), span=(start, end))


def _alike(one: bytes, other: bytes) -> int:
    """Return how many bytes both begin with, found by halves: a body may be large."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


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


def foreign_results(message: Message, believed: Collection[str]) -> tuple[Edit, ...]:
    """Return the edits that leave of Authentication-Results what is believed (RFC 8601 §5)."""
    fields = [*message.all(RESULTS)]
    kept = [one for one in fields if one.value in believed]
    if len(kept) == len(fields):
        return ()
    anew = (Edit(one.name, one.folded) for one in reversed(kept[:MAX_FOREIGN]))
    return (Edit(RESULTS, None), *anew)


def _set_anew(message: Message, name: str, edits: Sequence[HeaderEdit]) -> list[Edit]:
    values = [(field.name, field.folded) for field in message.all(name)]
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
    """A script's value loses control characters, CR and LF but where it is folded; what is not
    ASCII is encoded."""
    lines = (
        "".join(c if c.isprintable() else " " for c in one)
        for one in as_text(value).split(FOLD)
    )
    clean = FOLD.join(line for line in lines if line.strip())
    if clean.isascii():
        return clean
    return Header(clean, "utf-8").encode(linesep="\r\n")  # RFC 2047
