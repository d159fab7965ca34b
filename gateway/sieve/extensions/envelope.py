"""The envelope test (RFC 5228 §5.4); `orig_to` and `auth` beside `from` and `to`."""

from __future__ import annotations

from gateway.sieve.addresses import parse_path
from gateway.sieve.checker import Builder
from gateway.sieve.extensions.address import ADDRESS_PARTS, Part, address_part, cut
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Run, Test
from gateway.sieve.signature import Given, Kind, Positional, test

ENVELOPE_PARTS = ("from", "to", "orig_to", "auth")


def _build_envelope(given: Given, builder: Builder) -> Test:
    names = builder.texts(given.positionals[0])
    match = compile_match(given, builder, keys=builder.texts(given.positionals[1]))
    part = address_part(given)
    for name in names.constants or ():
        if name.lower() not in ENVELOPE_PARTS:
            hint = builder.source.suggest(name, ENVELOPE_PARTS)
            builder.error(given.positionals[0], f"the envelope has no part '{name}'{hint}")

    wanted = names.lowered()

    def test_envelope(run: Run) -> bool:
        values = [value for name in wanted(run) for value in _values(run, name, part)]
        return match(run, values)

    return test_envelope


def _values(run: Run, name: str, part: Part) -> list[str]:
    """Return that part of the envelope's addresses; a null path is empty (RFC 5228 §5.4)."""
    changed = run.envelope.get(name)
    found = [*run.outside.envelope(name)] if changed is None else [changed]
    if name == "auth":
        return found
    mailboxes = [mailbox for value in found if (mailbox := parse_path(value)) is not None]
    return cut(mailboxes, part, run.separators)


SIGNATURES = (
    test(
        "envelope",
        _build_envelope,
        help="Compare the sender or the recipients of the envelope with keys.",
        capability="envelope",
        tags=(*COMPARISON, *ADDRESS_PARTS),
        positionals=(Positional("envelope parts", Kind.TEXTS), Positional("keys", Kind.TEXTS)),
    ),
)
