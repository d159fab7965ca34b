"""Refusing a message (RFC 5429): reject and ereject."""

from __future__ import annotations

from gateway.sieve.checker import Builder
from gateway.sieve.runtime import Command
from gateway.sieve.signature import Given, Kind, Positional, Signature, command


def _refusing(name: str) -> Signature:
    def build(given: Given, builder: Builder) -> Command:
        reason = builder.template(given.positionals[0])
        return lambda run: run.act(name, arguments={"reason": reason.expand(run)})

    return command(
        name,
        build,
        help=_HELP[name],
        capability=name,
        positionals=(Positional("reason", Kind.TEXT),),
    )


_HELP = {
    "reject": "Refuse the message with a text for its sender.",
    "ereject": "Refuse the message within the mail session, never by a mail.",
}
SIGNATURES = (_refusing("reject"), _refusing("ereject"))
