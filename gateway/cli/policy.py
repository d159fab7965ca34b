"""`gateway policy`: list, check, testsuite, explain and commands; `policy_trial`
has `test`, `policy_diff` has `diff`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.app.policies import limits_in
from gateway.cli.opening import Config, Id, Json, OfTenant, Verbs, find_config, opened
from gateway.cli.output import (
    counted,
    print_json,
    print_line,
    print_next,
    print_text,
)
from gateway.cli.policy_diff import diff
from gateway.cli.policy_trial import STAND_IN, read_script, try_message
from gateway.cli.refusal import Refusal, refuse_unknown
from gateway.config import load_settings
from gateway.mail.tenant import Tenant
from gateway.policy.files import GONE, Texts, load_chain
from gateway.policy.rendering import (
    chain_rows,
    fault_rows,
    plan_lines,
    plan_row,
    trace_lines,
)
from gateway.policy.suite import chain_runner, suites
from gateway.sieve.diagnostics import render, suggest
from gateway.sieve.editor import words_of_language
from gateway.sieve.interface import CompileError, Diagnostic, Limits
from gateway.sieve.language import LANGUAGE, language_of
from gateway.sieve.script import compile_script
from gateway.sieve.testsuite import run_testsuite
from gateway.store import journal, plans, tenants

KINDS = ("inbound", "outbound")
SUITE = ".svtest"


def list_(*, tenant: OfTenant = None, config: Config = None, as_json: Json = False) -> None:
    """Print the chain of each tenant: its files in order, and its version."""
    place = _place(config, tenant)
    rows = [_chain_row(place, owner, kind) for owner in place.owners for kind in KINDS]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_line(
            f"{row['tenant']} {row['chain']}  {row['version'] or 'broken'}", style="bold"
        )
        for file in row["files"]:
            shadow = "  (shadow: traced only)" if file["shadow"] else ""
            print_line(f"  {file['order']:2d}  {file['file']}{shadow}")
        if not row["files"]:
            print_line("  no files" if row["version"] else "  see gateway policy check")
    print_next("gateway policy check")


def check(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH",
            show_default=False,
            help="A directory of policies, or one file; else the configured directory.",
        ),
    ] = None,
    *,
    warnings_as_errors: Annotated[
        bool, typer.Option("--warnings-as-errors", help="Exit 1 on a warning, too.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Compile the chains of all tenants; exit 0, or 1 with every fault of every file."""
    place = _place(config, None)
    directory = path or place.directory
    found = _faults_at(directory, place)
    errors, warnings = found.errors, found.warnings
    if as_json:
        rows = {"errors": fault_rows(CompileError(errors))}
        rows["warnings"] = fault_rows(CompileError(warnings))
        print_json({"ok": not errors, **rows})
    else:
        for fault in (*errors, *warnings):
            print_text(render(dataclasses.replace(fault, file=f"{found.prefix}{fault.file}")))
    if errors or (warnings and warnings_as_errors):
        wrong = len(errors) + len(warnings) * warnings_as_errors
        raise Refusal(f"{counted(wrong, 'fault')} in {directory}")
    if not as_json:
        what = "it" if directory.is_file() else "every chain"
        print_line(f"{directory}: {what} compiles", style="green")
        print_next("gateway policy testsuite")


def run_tests(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE.svtest",
            show_default=False,
            help="Files of tests; else all below tests/ of the policies.",
        ),
    ] = None,
    *,
    tenant: OfTenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run the tests of policies; exit 0, 1 when one failed, 2 when a file does not compile."""
    place = _place(config, tenant)
    run = chain_runner(place.directory, place.owners[0], limits=place.limits)
    rows: list[dict[str, Any]] = []
    faults: list[Diagnostic] = []
    for file in files or suites(place.directory):
        try:
            results = run_testsuite(file, run_chain=run)
        except CompileError as error:
            faults += error.diagnostics
            continue
        rows += [{"file": str(file), **dataclasses.asdict(result)} for result in results]
    failed = sum(not row["ok"] for row in rows)
    if as_json:
        count = {"passed": len(rows) - failed, "failed": failed}
        print_json({**count, "tests": rows, "errors": fault_rows(CompileError(faults))})
    else:
        _print_results(rows, failed)
    if faults:
        raise Refusal(*(render(fault) for fault in faults), code=2)
    if failed:
        raise Refusal(f"{counted(failed, 'test')} failed")


def explain(id_: Id, *, config: Config = None, as_json: Json = False) -> None:
    """Print what the policies did with a real message, and why: the trace of its run."""
    with opened(config) as gateway:
        message = gateway.store.read_now(journal.find_message, id_)
        if message is None:
            raise Refusal(gateway.store.read_now(journal.unknown_message, id_))
        plan = gateway.store.read_now(plans.load, message)
    if plan is None:
        story = f"gateway log trace {message} tells its story"
        raise Refusal(f"{message}: no policy ran on it; {story}")
    if as_json:
        steps = [one._asdict() for one in plan.trace]
        print_json({"id": message, "version": plan.version, **plan_row(plan), "trace": steps})
        return
    print_line(f"{message}  policies {plan.version or 'not run'}", style="bold")
    for line in trace_lines(plan.trace):
        print_line(line)
    print_line("")
    for line in plan_lines(plan):
        print_line(line, style="bold")
    print_next(f"gateway log trace {message}")


def commands(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", show_default=False, help="A command or test; else all."),
    ] = None,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the commands and tests of the policy language; with --json all an editor needs."""
    del config  # every verb takes it
    words = words_of_language()
    rows = [*words["commands"], *words["tests"]]
    if name is not None:
        known = [row["name"] for row in rows]
        if name.lower() not in known:
            make = "gateway policy commands lists them all"
            raise refuse_unknown(name, known, thing="command or test", make=make)
        rows = [row for row in rows if row["name"] == name.lower()]
    if as_json:
        print_json(rows[0] if name is not None else words)
        return
    for row in rows:
        print_line(row["usage"] if name is not None else row["name"], style="bold")
        print_line(f"  {row['help']}")
        for tag in row["tags"] if name is not None else ():
            print_line(f"  {tag['name']:14} {tag['help']}")
    print_next("gateway policy check" if name is not None else "gateway policy commands header")


VERBS: Verbs = {
    "list": list_,
    "check": check,
    "test": try_message,
    "testsuite": run_tests,
    "explain": explain,
    "commands": commands,
    "diff": diff,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with the chains of some tenants, each fault once."""

    errors: list[Diagnostic]
    warnings: list[Diagnostic]
    broken: list[tuple[str, str]]  # tenant and kind of each chain that does not compile
    prefix: str = ""  # what stands before the names of the files


def find_faults(directory: Path, owners: Iterable[Tenant], *, limits: Limits) -> Faults:
    """Return the errors and the warnings of all chains."""
    if not directory.is_dir():
        fault = Diagnostic(file=str(directory), line=1, column=1, message=GONE)
        return Faults([fault], [], [])
    errors: dict[Diagnostic, None] = {}
    warnings: dict[Diagnostic, None] = {}
    broken: list[tuple[str, str]] = []
    for owner in owners:
        for kind in KINDS:
            try:
                chain = load_chain(directory, owner, kind, limits=limits)
            except CompileError as error:
                errors |= dict.fromkeys(error.diagnostics)
                broken.append((owner.id, kind))
            else:
                warnings |= dict.fromkeys(chain.warnings)
    return Faults(list(errors), list(warnings), broken)


def _faults_at(path: Path, place: _Place) -> Faults:
    """Return the faults of one script, or of a directory."""
    if path.suffix == SUITE:
        raise Refusal(f"{path}: these are tests; gateway policy testsuite {path} runs them")
    if path.is_file():
        return _faults_of_file(path, place)
    if path.is_dir():
        return _faults_below(path, place)
    raise Refusal(f"{path}: there is no such file or directory")


def _faults_below(directory: Path, place: _Place) -> Faults:
    """Return the faults of a directory of policies, or of a folder in the configured one."""
    top, wanted = place.directory.resolve(), directory.resolve()
    is_part = wanted != top and wanted.is_relative_to(top)
    root = place.directory if is_part else directory
    found = find_faults(root, place.owners, limits=place.limits)
    below = f"{wanted.relative_to(top).as_posix()}/" if is_part else ""
    return Faults(
        [one for one in found.errors if one.file.startswith(below)],
        [
            one
            for one in (*found.warnings, *_of_nobody(root, place))
            if one.file.startswith(below)
        ],
        found.broken,
        prefix=f"{root}/",
    )


def _of_nobody(directory: Path, place: _Place) -> Iterator[Diagnostic]:
    """Yield a warning for each file of a tenant that does not exist."""
    known = [owner.id for owner in place.owners if owner is not STAND_IN]
    said = "this file never runs: there is no tenant"
    for path in sorted(directory.glob("tenants/*/*bound/*.sieve")) if known else ():
        name = path.parts[-3]
        if name not in known:
            yield Diagnostic(
                file=path.relative_to(directory).as_posix(),
                line=1,
                column=1,
                message=f"{said} '{name}'{suggest(name, known)}",
                severity="warning",
            )


def _faults_of_file(path: Path, place: _Place) -> Faults:
    """Return the faults of one script by itself, also of one that is switched off."""
    errors: dict[Diagnostic, None] = {}
    warnings: dict[Diagnostic, None] = {}
    folder = path.resolve().parent.name
    kind = next((one for one in KINDS if folder in (one, f"{one}-after")), None)
    language = language_of(kind) if kind else LANGUAGE  # of lib/: either chain may include it
    for owner in place.owners:
        texts = Texts(place.directory, owner)
        try:
            script = compile_script(
                read_script(path),
                name=str(path),
                loader=texts,
                limits=place.limits,
                language=language,
            )
        except CompileError as error:
            errors |= dict.fromkeys(error.diagnostics)
        else:
            warnings |= dict.fromkeys(script.warnings)
    return Faults(list(errors), list(warnings), [])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The policies of a gateway, and the tenants to look at: a stand-in without any."""

    directory: Path
    owners: list[Tenant]
    limits: Limits


def _place(config: Path | None, tenant: str | None) -> _Place:
    settings = load_settings(find_config(config))
    with opened(config) as gateway:
        if tenant is not None:
            owners = [gateway.find_tenant(tenant)]
        else:
            owners = list(gateway.store.read_now(tenants.load_all).values())
    directory = settings.resolve(settings.policies.directory)
    return _Place(directory=directory, owners=owners or [STAND_IN], limits=limits_in(settings))


def _chain_row(place: _Place, owner: Tenant, kind: str) -> dict[str, Any]:
    named = {"tenant": owner.id, "chain": kind}
    try:
        chain = load_chain(place.directory, owner, kind, limits=place.limits)
    except CompileError as error:
        return {**named, "version": None, "files": [], "errors": fault_rows(error)}
    return {**named, "version": chain.version, "files": chain_rows(chain), "errors": []}


def _print_results(rows: list[dict[str, Any]], failed: int) -> None:
    for row in rows:
        words = ["ok" if row["ok"] else "FAIL", row["name"], row["reason"]]
        print_text("\t".join(filter(None, words)))
    print_text(f"{counted(len(rows), 'test')}, {failed} failed")
