"""`vnd.gateway.chain`, `.limit` and `.auth`: where a message stands and what is known of it."""

from __future__ import annotations

from gateway.sieve.checker import Builder
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Command, Run, StopScript, Test
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command, test

CHAINS = ("inbound", "outbound")
THREADS = ("new", "reply")
METHODS = ("spf", "dkim", "dmarc", "arc", "iprev")  # RFC 8601 §2.7


def one_of(given: Given, builder: Builder, *, words: tuple[str, ...], at: int = 0) -> str:
    """Return a positional that has to be one of `words`, reporting any other."""
    argument = given.positionals[at]
    word = (builder.constant(argument, f"the argument of '{given.call.name}'") or "").lower()
    if word and word not in words:
        allowed = " or ".join(f'"{one}"' for one in words)
        hint = builder.source.suggest(word, words)
        builder.error(argument, f"'{given.call.name}' takes {allowed}, not \"{word}\"{hint}")
    return word


def _build_accept(given: Given, builder: Builder) -> Command:
    def accept(run: Run) -> None:
        run.act("keep")
        run.accepted = True
        raise StopScript

    return accept


def _build_chain(given: Given, builder: Builder) -> Test:
    word = one_of(given, builder, words=CHAINS)
    return lambda run: run.outside.chain == word


def _build_thread(given: Given, builder: Builder) -> Test:
    word = one_of(given, builder, words=THREADS)
    return lambda run: run.outside.thread == word


def _build_auth(given: Given, builder: Builder) -> Test:
    methods = builder.texts(given.positionals[0])
    match = compile_match(given, builder, keys=builder.texts(given.positionals[1]))
    domains = given.has("domain")
    for method in methods.constants or ():
        if method.lower() not in METHODS:
            hint = builder.source.suggest(method, METHODS)
            builder.error(given.positionals[0], f"there is no method '{method}'{hint}")

    def test_auth(run: Run) -> bool:
        values: list[str] = []
        for method in methods.expand(run):
            found = run.outside.auth(method.lower())
            if domains:
                values.extend(domain for result, domain in found if result == "pass")
            else:
                values.extend([result for result, _ in found] or ["none"])
        return match(run, values)

    return test_auth


def _build_limit(given: Given, builder: Builder) -> Test:
    count, seconds = builder.number(given, "count"), builder.number(given, "seconds")
    handle = builder.optional_text(given, "handle")
    key = builder.text(given.positionals[0])
    if count is None or not seconds:
        builder.error(given.call, "'limit' needs ':count', and ':seconds' above zero")
    default = f"{builder.source.file}:{builder.source.line_at(given.call.at)}"

    def test_limit(run: Run) -> bool:
        return run.outside.limit(
            handle=handle.expand(run) if handle else default,
            key=key.expand(run),
            count=count or 0,
            seconds=seconds or 1,
        )

    return test_limit


CHAIN, AUTH, LIMIT = "vnd.gateway.chain", "vnd.gateway.auth", "vnd.gateway.limit"
SIGNATURES = (
    command(
        "accept", _build_accept, help="Keep the message, and end the chain.", capability=CHAIN
    ),
    test(
        "chain",
        _build_chain,
        help="True in an inbound, or an outbound, chain.",
        capability=CHAIN,
        positionals=(Positional("chain", Kind.TEXT),),
    ),
    test(
        "thread",
        _build_thread,
        help="True for a new conversation, or for a reply in a known one.",
        capability=CHAIN,
        positionals=(Positional("place", Kind.TEXT),),
    ),
    test(
        "auth",
        _build_auth,
        help="Compare the results of SPF, DKIM, DMARC, ARC or iprev with keys.",
        capability=AUTH,
        tags=(Tagged("domain", help="Compare the domains that passed."), *COMPARISON),
        positionals=(Positional("methods", Kind.TEXTS), Positional("keys", Kind.TEXTS)),
    ),
    test(
        "limit",
        _build_limit,
        help="True when the key was seen more than :count times in :seconds.",
        capability=LIMIT,
        tags=(
            Tagged("count", Kind.NUMBER, help="More often than this."),
            Tagged("seconds", Kind.NUMBER, help="In so many seconds."),
            Tagged("handle", Kind.TEXT, help="The name under which repetitions are counted."),
        ),
        positionals=(Positional("key", Kind.TEXT),),
    ),
)
