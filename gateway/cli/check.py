"""`gateway check`: is gateway.conf right, and are these tenant files?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from gateway.cli.opening import Config, Json, find_config
from gateway.cli.output import print_json, print_line, print_next, warn
from gateway.cli.refusal import Refusal
from gateway.cli.tenant_source import load_source
from gateway.config import ConfigError, Settings, is_loopback, load_settings
from gateway.net.dns import parse_nameserver
from gateway.net.open_files import most_open_files
from gateway.sieve.expressions import BadPattern, compile_pattern

OTHER_FILES = 500  # the store, upstream sessions, mailboxes, pages


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="TENANT-FILE", show_default=False)
    ] = None,
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Validate gateway.conf and tenant files; exit 0 when all are right, else 1."""
    path = find_config(config)
    faults: list[str] = []
    warnings: list[str] = []
    try:
        settings = load_settings(path)
        faults += _file_faults(settings)
        warnings += _warnings(settings)
    except ConfigError as error:
        faults.append(str(error))
    for file in files or []:
        try:
            warnings += (f"{file}: {one}" for one in load_source(file).doubts)
        except Refusal as refusal:
            faults += refusal.sentences
    _tell([path, *(files or [])], faults, warnings, as_json=as_json)


def _file_faults(settings: Settings) -> Iterator[str]:
    named = {
        "[tls] certificate": settings.tls.certificate,
        "[tls] key": settings.tls.key,
        "[delivery] trusted_ca": settings.delivery.trusted_ca,
        "[alerts] password_file": settings.alerts.password_file,
        "[alerts] ca_file": settings.alerts.ca_file,
    }
    for key, name in named.items():
        if name is not None and not settings.resolve(name).is_file():
            yield f"{settings.path}: {key}: {settings.resolve(name)} is not a file"
    for text in settings.dns.nameservers:
        try:
            parse_nameserver(text)
        except ConfigError as error:
            yield f"{settings.path}: {error}"
    yield from (f"{settings.path}: {fault}" for fault in _pattern_faults(settings))
    directory = settings.resolve(settings.policies.directory)
    if not directory.is_dir():
        yield f"{settings.path}: [policies] directory: {directory} is not a directory"


def _pattern_faults(settings: Settings) -> Iterator[str]:
    """What stands behind the name of a filter's field; a wrong one would hold all mail."""
    fields = {
        "[spam] header": settings.spam.header,
        "[spam] maximum_header": settings.spam.maximum_header,
        "[virus] header": settings.virus.header,
        "[virus] maximum_header": settings.virus.maximum_header,
    }
    for key, field in fields.items():
        if pattern := (field or "").partition(":")[2].strip():
            try:
                found = compile_pattern(pattern, False, settings.limits.regex_bytes)
            except BadPattern as error:
                yield f"{key}: {error}"
            else:
                if not found.groups:
                    yield f"{key}: the expression needs a group that counts: ([0-9.]+)"


def _warnings(settings: Settings) -> Iterator[str]:
    if settings.tls.certificate is None:
        yield "[tls] certificate is left out: a certificate of our own is made at the start"
    if settings.delivery.trusted_ca is not None:
        yield "[delivery] trusted_ca holds for every tenant; ca_file of one account is narrower"
    sessions, most = settings.submission.sessions, most_open_files()
    if sessions + OTHER_FILES > most:
        yield (
            f"[submission] sessions: {sessions} sessions need more than the {most} files that"
            " may be open here: raise LimitNOFILE= of the unit, or ulimit -Hn"
        )
    yield from (
        f"[models.{name}] is read, and asked by nobody: no agent answers in this release"
        for name in settings.models
    )
    yield from why_nobody_is_reminded(settings)


def why_nobody_is_reminded(settings: Settings) -> Iterator[str]:
    """Yield what is missing for mails to reach people, with a link that leads here."""
    if not settings.alerts.is_on:
        yield "[alerts] is left out: nobody is told of what needs a person, nor reminded"
    if is_loopback(urlsplit(settings.console.public_url).hostname or ""):
        yield (
            f"[console] public_url {settings.console.public_url} is on loopback: links in"
            " mails and webhooks lead nowhere for others, so nobody can be reminded"
        )


def _tell(paths: list[Path], faults: list[str], warnings: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": not faults, "errors": faults, "warnings": warnings})
    if faults:
        raise Refusal(*faults)
    if not as_json:
        for sentence in warnings:
            warn(sentence)
        for path in paths:
            print_line(f"{path}: right", style="green")
        print_next(*(f"gateway apply {path}" for path in paths[1:]), "gateway serve")
