"""Runs testsuite scripts: the admin's own, and those of other implementations unmodified."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.sieve.bench import DEFAULT_MESSAGE, Bench, RunChain
from gateway.sieve.checker import Language
from gateway.sieve.extensions import testsuite
from gateway.sieve.extensions.testsuite import TestResult
from gateway.sieve.interface import CompileError, Diagnostic, Passed
from gateway.sieve.language import CAPABILITIES, LANGUAGE, capabilities, table
from gateway.sieve.runtime import Run
from gateway.sieve.script import compile_commands, execute

SUITE_SECONDS = 600.0
_MARK = "#UTF8#"


def run_testsuite(path: Path, *, run_chain: RunChain | None = None) -> list[TestResult]:
    """Return the result of each test in the file, in order.

    `run_chain` runs the policies for `test_chain_run`. Raises CompileError when the file
    does not compile.
    """
    source = _read(path).replace(_MARK, "")
    language = _language(path)
    bench = Bench(path.parent, run_chain, language)
    limits = replace(
        bench.settings.limits, steps=10**9, chain_steps=10**9, chain_seconds=SUITE_SECONDS
    )
    command = compile_commands(
        source, name=str(path), loader=bench, limits=limits, strict=True, language=language
    )
    run = Run(DEFAULT_MESSAGE, bench, passed=Passed(), limits=limits, trace=False)
    run.bench, run.file = bench, str(path)
    bench.take_message(run, DEFAULT_MESSAGE)
    error = execute(command, run)
    if error is not None:
        run.results.append(TestResult(f"line {run.line}", False, error))
    return run.results


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(path, f"the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"the file is not UTF-8 text (byte {error.start})") from error


def _unreadable(path: Path, message: str) -> CompileError:
    return CompileError([Diagnostic(file=str(path), line=1, column=1, message=message)])


def _language(path: Path) -> Language:
    signatures = {**LANGUAGE.signatures, **table(testsuite.SIGNATURES)}
    return replace(
        LANGUAGE,
        signatures=signatures,
        capabilities=CAPABILITIES | capabilities(testsuite.SIGNATURES),
        constants={"tst.path": str(path.parent)},
    )
