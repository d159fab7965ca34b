"""The way in: text to a Script, a Script and a message to a Result."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sieve.checker import Builder, Language, Unit
from gateway.sieve.diagnostics import Source
from gateway.sieve.interface import (
    CompileError,
    Diagnostic,
    Limits,
    Loader,
    Outside,
    Passed,
    Result,
)
from gateway.sieve.language import LANGUAGE
from gateway.sieve.lint import lint, lint_answers, warn_unset
from gateway.sieve.parser import parse
from gateway.sieve.runtime import Command, Run, RunError, StopScript
from gateway.sieve.syntax import Call


class Script:
    """A compiled script; it may run on many messages, one after the other."""

    def __init__(self, source: Source, command: Command) -> None:
        self.name = source.file
        self.end_line = source.end_line
        self.warnings: tuple[Diagnostic, ...] = tuple(source.warnings)
        self._source = source
        self._command = command

    def run(
        self,
        content: bytes,
        outside: Outside,
        *,
        passed: Passed = Passed(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        trace: bool = True,
    ) -> Result:
        """Return what the script asks for; a run-time error is in the Result, never raised."""
        run = Run(content, outside, passed=passed, limits=limits, trace=trace)
        run.file = self.name
        error = execute(self._command, run)
        if error is not None:
            return self._failed(run, error)
        return _result(run)

    def _failed(self, run: Run, error: str) -> Result:
        line = self._source.text.split("\n")[run.line - 1 : run.line]
        return Result(
            actions=(),
            keeps=False,
            accepted=False,
            passed=run.passed,
            error=Diagnostic(
                file=run.file,
                line=max(1, run.line),
                column=1,
                message=error,
                source_line=line[0].rstrip("\r") if line and run.file == self.name else "",
            ),
            timed_out=run.timed_out,
            trace=run.trace or (),
        )


def compile_script(
    source: str,
    *,
    name: str,
    loader: Loader,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    strict: bool = False,
    language: Language = LANGUAGE,
) -> Script:
    """Return the script of `source`; raises CompileError with every fault found, at most 20.

    A script without `require` has every extension switched on, unless `strict`.
    """
    unit = Unit(language, loader, limits, compile_source, strict)
    read, command = _compiled(source, name=name, unit=unit)
    return Script(read, command)


def compile_commands(
    source: str, *, name: str, loader: Loader, limits: Limits, strict: bool, language: Language
) -> Command:
    """Return the commands of `source` alone, for a Run of the caller's own."""
    unit = Unit(language, loader, limits, compile_source, strict)
    return _compiled(source, name=name, unit=unit)[1]


def _compiled(source: str, *, name: str, unit: Unit) -> tuple[Source, Command]:
    read = Source(source, name)
    try:
        is_large = len(source.encode()) > unit.limits.script_bytes
    except UnicodeEncodeError:
        read.error(0, "the script is not UTF-8")
        raise CompileError(read.errors) from None
    if is_large:
        read.error(0, f"the script is larger than {unit.limits.script_bytes} bytes")
        raise CompileError(read.errors)
    try:
        command = compile_source(read, unit)
    except RecursionError:  # deep blocks in includes in deep blocks
        read.error(0, "the script and what it includes are nested too deeply")
        raise CompileError(read.errors) from None
    if read.errors:
        places = sorted(read.errors, key=lambda one: (one.file != name, one.line, one.column))
        raise CompileError(places)
    return read, command


def compile_source(source: Source, unit: Unit) -> Command:
    """Return the commands of one file; its faults are recorded in `source`."""
    calls = parse(source, nesting=unit.limits.nesting)
    is_open = not unit.strict and not _requires(calls)
    builder = Builder(source, unit, enabled=None if is_open else frozenset())
    lint_answers(source, calls)
    command = builder.block(calls)
    lint(source, calls)
    warn_unset(source, builder.used_names, builder.set_names)
    return command


def execute(command: Command, run: Run) -> str | None:
    """Run the commands to their end or `stop`; return the sentence of a run-time error."""
    try:
        command(run)
    except StopScript:
        return None
    except RunError as error:
        return str(error)
    except RecursionError:
        return "the message or the script is nested too deeply"
    return None


def _requires(calls: Sequence[Call]) -> bool:
    return any(call.name == "require" for call in calls)


def _result(run: Run) -> Result:
    actions = run.finished()
    return Result(
        actions=actions,
        keeps=run.implicit_keep or any(action.kind == "keep" for action in actions),
        accepted=run.accepted,
        passed=Passed(
            edits=tuple(run.edits),
            flags=tuple(run.flags),
            globals=run.globals,
            strangers=run.strange_globals,
            actions=(*run.passed.actions, *run.actions),
            steps=run.steps,
            seconds=run.seconds,
            traced=run.traced,
            content=run.replaced,
            message=run.message,
        ),
        trace=run.trace or (),
    )
