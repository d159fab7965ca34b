"""What stands around a script: environment (RFC 5183), ihave (RFC 5463), duplicate (RFC 7352),
mailboxexists (RFC 5490), valid_ext_list (RFC 6134).
"""

from __future__ import annotations

from gateway.sieve.checker import Builder
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Command, Run, RunError, Test
from gateway.sieve.signature import Given, Kind, Positional, Signature, Tagged, command, test

DEFAULT_SECONDS = 7 * 86400
NOT_BY_IHAVE = frozenset({"variables", "encoded-character"})  # RFC 5463 §4


def _build_environment(given: Given, builder: Builder) -> Test:
    name = builder.text(given.positionals[0])
    match = compile_match(given, builder, keys=builder.texts(given.positionals[1]))

    def test_environment(run: Run) -> bool:
        value = run.outside.environment(name.expand(run).lower())
        return value is not None and match(run, [value])

    return test_environment


def _build_ihave(given: Given, builder: Builder) -> Test:
    wanted = builder.texts(given.positionals[0]).constants
    if wanted is None:
        builder.error(given.positionals[0], "'ihave' takes constant strings")
        return _no
    known = builder.unit.language.capabilities
    for name in wanted:
        if name not in known or (name in NOT_BY_IHAVE and not builder.has(name)):
            builder.lacking.add(given.call.at)
            return _no
    for name in wanted:
        builder.enable(name, given.positionals[0])
    return _yes


def _build_error(given: Given, builder: Builder) -> Command:
    message = builder.text(given.positionals[0])

    def error(run: Run) -> None:
        raise RunError(message.expand(run)[:1000])

    return error


def _build_duplicate(given: Given, builder: Builder) -> Test:
    handle = builder.optional_text(given, "handle")
    header = builder.optional_text(given, "header")
    unique = builder.optional_text(given, "value" if given.has("value") else "uniqueid")
    seconds, last = builder.number(given, "seconds"), given.has("last")

    def duplicate(run: Run) -> bool:
        if unique is not None:
            key = unique.expand(run)
        else:
            name = header.expand(run) if header else "Message-ID"
            found = run.message.named([name])
            if not found:
                return False
            key = found[0].unfolded
        return run.outside.duplicate(
            handle=handle.expand(run) if handle else "",
            key=key,
            seconds=DEFAULT_SECONDS if seconds is None else seconds,
            last=last,
        )

    return duplicate


def duplicate_test(capability: str, *, own_key: str) -> Signature:
    """Return the test `duplicate` as a capability has it; `own_key` is its tag for a key."""
    return test(
        "duplicate",
        _build_duplicate,
        help="True when this message, or the given key, was seen before.",
        capability=capability,
        tags=(
            Tagged("handle", Kind.TEXT, help="The name under which repetitions are counted."),
            Tagged(
                "header",
                Kind.TEXT,
                group="unique id",
                help="The header field that tells messages apart.",
            ),
            Tagged(
                own_key, Kind.TEXT, group="unique id", help="The key that tells messages apart."
            ),
            Tagged("seconds", Kind.NUMBER, help="How long a key is remembered."),
            Tagged("last", help="Each repetition begins the time anew."),
        ),
    )


def _build_mailboxexists(given: Given, builder: Builder) -> Test:
    names = builder.texts(given.positionals[0])
    return lambda run: all(run.outside.mailbox_exists(name) for name in names.expand(run))


def _build_valid_list(given: Given, builder: Builder) -> Test:
    names = builder.texts(given.positionals[0])
    known = builder.loader.names("list")
    return lambda run: known is None or all(name in known for name in names.expand(run))


def _yes(run: Run) -> bool:
    return True


def _no(run: Run) -> bool:
    return False


SIGNATURES = (
    test(
        "environment",
        _build_environment,
        help="Compare what is known of this gateway with keys.",
        capability="environment",
        tags=COMPARISON,
        positionals=(Positional("item", Kind.TEXT), Positional("key list", Kind.TEXTS)),
    ),
    test(
        "ihave",
        _build_ihave,
        help="True when every extension is there; it is on in the block.",
        capability="ihave",
        positionals=(Positional("capabilities", Kind.TEXTS),),
    ),
    command(
        "error",
        _build_error,
        help="End this file with an error.",
        capability="ihave",
        positionals=(Positional("text", Kind.TEXT),),
    ),
    duplicate_test("duplicate", own_key="uniqueid"),
    test(
        "mailboxexists",
        _build_mailboxexists,
        help="True when there is a route of each name.",
        capability="mailbox",
        positionals=(Positional("mailboxes", Kind.TEXTS),),
    ),
    test(
        "valid_ext_list",
        _build_valid_list,
        help="True when there is a list of each name.",
        capability="extlists",
        positionals=(Positional("lists", Kind.TEXTS),),
    ),
)
