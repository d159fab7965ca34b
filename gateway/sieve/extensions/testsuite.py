"""`vnd.dovecot.testsuite` and `vnd.gateway.testsuite`: tests of scripts, written in Sieve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.sieve.bench import Bench
from gateway.sieve.bench_settings import read_settings
from gateway.sieve.checker import Builder
from gateway.sieve.comparators import OCTET
from gateway.sieve.extensions.envelope import ENVELOPE_PARTS
from gateway.sieve.extensions.gateway_chain import CHAINS, METHODS, THREADS, one_of
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.runtime import Command, Run, RunError, StopScript, Test
from gateway.sieve.signature import Given, Kind, Positional, Signature, Tagged, command, test
from gateway.sieve.strings import Expression
from gateway.sieve.syntax import Number

SUITE, GATEWAY = "vnd.dovecot.testsuite", "vnd.gateway.testsuite"
_OTHERS = ("message", "now", "thread", "chain")


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of one test."""

    name: str
    ok: bool
    reason: str = ""


class TestFailed(RunError):
    """`test_fail`: the reason; in a script under test it is a run-time error."""


def bench_of(run: Run) -> Bench:
    """Return the bench of a testsuite script; raises RunError in a script under test."""
    if not isinstance(run.bench, Bench):
        raise RunError("this stands in a testsuite script alone")
    return run.bench


def _build_test(given: Given, builder: Builder) -> Command:
    name = builder.text(given.positionals[0])
    block = builder.block(given.call.block or ())

    def run_test(run: Run) -> None:
        reason = _failure(block, run)
        run.results.append(TestResult(name.expand(run), reason is None, reason or ""))

    return run_test


def _failure(block: Command, run: Run) -> str | None:
    try:
        block(run)
    except StopScript:
        return None
    except RunError as error:
        return f"line {run.line}: {error}"
    return None


def _build_fail(given: Given, builder: Builder) -> Command:
    reason = builder.text(given.positionals[0])

    def fail(run: Run) -> None:
        raise TestFailed(" ".join(reason.expand(run).split()))

    return fail


def _build_set(given: Given, builder: Builder) -> Command:
    name, value = (builder.text(one) for one in given.positionals)
    if name.constant is not None and not _settable(name.constant.lower()):
        builder.error(given.positionals[0], f"nothing is called '{name.constant}' here")
    return lambda run: _set(run, name.expand(run).lower(), value.expand(run))


def _settable(name: str) -> bool:
    space, _, rest = name.partition(".")
    parts = {"envelope": ENVELOPE_PARTS, "auth": METHODS}
    return rest in parts[space] if space in parts else name in _OTHERS


def _set(run: Run, name: str, value: str) -> None:
    bench = bench_of(run)
    space, _, rest = name.partition(".")
    if name == "message":
        bench.take_message(run, value.encode("utf-8", "surrogateescape"))
    elif space == "envelope":
        bench.envelopes[rest] = value
    elif space == "auth":
        result, _, domain = value.partition(" ")
        bench.proven[rest] = [(result, domain)]
    elif name == "now":
        bench.now = _moment(value)
    elif name == "thread":
        bench.thread = _known(value, THREADS)
    else:
        bench.chain = _known(value, CHAINS)


def _known(value: str, words: Sequence[str]) -> str:
    if value not in words:
        allowed = " or ".join(f'"{one}"' for one in words)
        raise RunError(f'this is {allowed}, not "{value[:40]}"')
    return value


def _moment(value: str) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        sentence = f"'{value[:40]}' is no time; write it like 2025-07-01T12:00:00Z"
        raise RunError(sentence) from error


def _build_message(given: Given, builder: Builder) -> Callable[[Run], bool]:
    folder = builder.optional_text(given, "folder")
    index = given.positionals[0].value if isinstance(given.positionals[0], Number) else 0
    if folder is None and not given.has("smtp"):
        builder.error(given.call, "'test_message' needs ':smtp' or ':folder'")

    def message(run: Run) -> bool:
        found = _take_stored(run, folder, index) if folder else _take_sent(run, index)
        if not found and not given.as_test:
            raise RunError(f"there is no message {index}")
        return found

    return message


def _take_stored(run: Run, folder: Expression, index: int) -> bool:
    bench = bench_of(run)
    stored = bench.mailboxes.get(folder.expand(run), [])
    if index >= len(stored):
        return False
    bench.take_message(run, stored[index].content, flags=stored[index].flags)
    return True


def _take_sent(run: Run, index: int) -> bool:
    bench = bench_of(run)
    if index >= len(bench.sent):
        return False
    sent = bench.sent[index]
    bench.take_message(run, sent.content)
    bench.envelopes = {"from": sent.mail_from, "to": sent.rcpt_to}
    return True


def _build_compile(given: Given, builder: Builder) -> Test:
    name = builder.text(given.positionals[0])

    def compiles(run: Run) -> bool:
        bench = bench_of(run)
        script = bench.compile(name.expand(run))
        if script is not None:
            bench.script = script
        return script is not None

    return compiles


def _build_run(given: Given, builder: Builder) -> Test:
    append = given.has("append_result")

    def runs(run: Run) -> bool:
        bench = bench_of(run)
        if bench.script is None:
            raise RunError("no script was compiled yet")
        return bench.run_script(run, bench.script, append=append).error is None

    return runs


def _build_multiscript(given: Given, builder: Builder) -> Test:
    names = builder.texts(given.positionals[0])
    return lambda run: bench_of(run).run_in_a_row(run, names.expand(run))


def _build_chain_run(given: Given, builder: Builder) -> Test:
    kind = one_of(given, builder, words=CHAINS)

    def runs(run: Run) -> bool:
        bench = bench_of(run)
        if bench.run_chain is None:
            raise RunError("there are no policies to run here")
        bench.reset(run)
        bench.chain = kind
        result = bench.run_chain(bench.chain, bench.content, bench)
        bench.take_result(run, result)
        return result.error is None

    return runs


def _build_execute(given: Given, builder: Builder) -> Test:
    return lambda run: bench_of(run).execute(run)


def _matching(name: str, values: Callable[[Run, int], Sequence[str]]) -> Signature:
    def build(given: Given, builder: Builder) -> Test:
        keys = builder.texts(given.positionals[0])
        match = compile_match(given, builder, keys=keys, default=OCTET)
        index = builder.number(given, "index") or 0
        return lambda run: match(run, values(run, index))

    return test(
        name,
        build,
        capability=SUITE,
        tags=(Tagged("index", Kind.NUMBER), *COMPARISON),
        positionals=(Positional("keys", Kind.TEXTS),),
    )


def _actions(run: Run, index: int) -> Sequence[str]:
    return bench_of(run).names_of(run, index)


def _errors(run: Run, index: int) -> Sequence[str]:
    errors = bench_of(run).errors
    return errors[index - 1 : index] if index else errors


def _build_reset(given: Given, builder: Builder) -> Command:
    return lambda run: bench_of(run).reset(run)


def _build_config_set(given: Given, builder: Builder) -> Command:
    name, value = (builder.text(one) for one in given.positionals)

    def config_set(run: Run) -> None:
        bench_of(run).config[name.expand(run)] = value.expand(run)

    return config_set


def _build_config_unset(given: Given, builder: Builder) -> Command:
    name = builder.text(given.positionals[0])

    def config_unset(run: Run) -> None:
        bench_of(run).config.pop(name.expand(run), None)

    return config_unset


def _build_config_reload(given: Given, builder: Builder) -> Command:
    def reload(run: Run) -> None:
        bench = bench_of(run)
        try:
            bench.settings = read_settings(bench.config)
        except ValueError as error:
            raise RunError(f"a setting is no number: {error}") from error
        run.limits = bench.settings.limits

    return reload


def _build_mailbox_create(given: Given, builder: Builder) -> Command:
    name = builder.text(given.positionals[0])

    def create(run: Run) -> None:
        bench_of(run).mailboxes.setdefault(name.expand(run), [])

    return create


def _build_nothing(given: Given, builder: Builder) -> Command:
    """Accept a command that has no effect here, such as printing a result."""
    return _nothing


def _nothing(run: Run) -> None:
    """Have no effect."""


def _suite(name: str, build: Callable[[Given, Builder], Command], *texts: str) -> Signature:
    positionals = tuple(Positional(one, Kind.TEXT) for one in texts)
    return command(name, build, capability=SUITE, positionals=positionals)


SIGNATURES = (
    command(
        "test",
        _build_test,
        capability=SUITE,
        positionals=(Positional("name", Kind.TEXT),),
        block=True,
    ),
    _suite("test_fail", _build_fail, "reason"),
    _suite("test_set", _build_set, "name", "value"),
    Signature(
        "test_message",
        _build_message,
        capability=SUITE,
        is_test=True,
        tags=(Tagged("smtp", group="source"), Tagged("folder", Kind.TEXT, group="source")),
        positionals=(Positional("index", Kind.NUMBER),),
    ),
    test(
        "test_script_compile",
        _build_compile,
        capability=SUITE,
        positionals=(Positional("script", Kind.TEXT),),
    ),
    test("test_script_run", _build_run, capability=SUITE, tags=(Tagged("append_result"),)),
    test(
        "test_multiscript",
        _build_multiscript,
        capability=SUITE,
        positionals=(Positional("scripts", Kind.TEXTS),),
    ),
    test(
        "test_chain_run",
        _build_chain_run,
        capability=GATEWAY,
        positionals=(Positional("direction", Kind.TEXT),),
    ),
    Signature("test_result_execute", _build_execute, capability=SUITE, is_test=True),
    _matching("test_result_action", _actions),
    _matching("test_error", _errors),
    _suite("test_result_reset", _build_reset),
    _suite("test_config_set", _build_config_set, "name", "value"),
    _suite("test_config_unset", _build_config_unset, "name"),
    command(
        "test_config_reload",
        _build_config_reload,
        capability=SUITE,
        tags=(Tagged("extension", Kind.TEXT),),
    ),
    _suite("test_mailbox_create", _build_mailbox_create, "mailbox"),
    _suite("test_result_print", _build_nothing),
    _suite("test_message_print", _build_nothing),
    _suite("test_binary_save", _build_nothing, "name"),
    _suite("test_binary_load", _build_nothing, "name"),
)
