"""What a verb says when it cannot do its work, or not with that word: a sentence, a code."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.mail.address import Address, parse_address
from gateway.mail.schema import unknown_key


class Refusal(Exception):
    """A verb cannot do what was asked; each sentence becomes a line on standard error."""

    def __init__(self, *sentences: str, code: int = 1) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences
        self.code = code


def refuse_unknown(name: str, known: Iterable[str], *, thing: str, make: str) -> Refusal:
    """Return the refusal of a name that nothing carries, with the nearest that something does.

    `make` says how to get a first one when there are none at all.
    """
    names = list(known)
    if not names:
        return Refusal(f"there is no {thing} '{name}', nor any other; {make}")
    return Refusal(unknown_key(name, names, thing=thing))


def read_address(text: str) -> Address:
    """Return the address that a person gave; raises Refusal."""
    try:
        return parse_address(text)
    except ValueError as error:
        raise Refusal(str(error)) from error
