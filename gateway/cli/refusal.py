"""What a verb says when it cannot do its work: a sentence, and an exit code."""

from __future__ import annotations

from collections.abc import Iterable

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
