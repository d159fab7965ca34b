"""Joins the nouns to one command, and turns what went wrong into one sentence."""

from __future__ import annotations

import sqlite3
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from types import TracebackType
from typing import Annotated

import typer
from typer.main import get_command

from gateway.cli import (
    alerts,
    apply,
    check,
    credential,
    domain,
    init,
    log,
    mailbox,
    policy,
    provider,
    queue,
    secrets,
    send,
    serve,
    status,
    suppression,
    tenant,
    upstream,
)
from gateway.cli.opening import Verbs
from gateway.cli.refusal import Refusal
from gateway.config import ConfigError
from gateway.store.errors import StoreError

HELP = """A mail gateway between helpdesks and the mailboxes of their customers.

Start with gateway init, then gateway serve. Every verb takes --help."""

SERVER, TENANTS, MAIL = "The server", "Tenants and what is theirs", "Mail"


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; return its exit code, 2 for a command that is not one.

    Whatever goes wrong is told in a sentence on standard error, never as a traceback.
    """
    sys.excepthook = tell_fault
    try:
        done = get_command(build()).main(
            args=list(arguments), prog_name="gateway", standalone_mode=False
        )
    except Refusal as refusal:
        _tell(*refusal.sentences)
        return refusal.code
    except typer.TyperException as error:
        _tell(error.format_message())
        return 2
    except typer.Abort:
        _tell("nothing was changed")
        return 1
    except (ConfigError, StoreError, sqlite3.Error, OSError) as error:
        _tell(_sentence(error))
        return 1
    return done if isinstance(done, int) else 0


def build() -> typer.Typer:
    """Return the whole command."""
    app = _group(HELP)
    app.callback()(_root)
    for name, verb in (("init", init.init), ("serve", serve.serve), ("check", check.check)):
        app.command(name, rich_help_panel=SERVER)(verb)
    app.command("status", rich_help_panel=SERVER)(status.status)
    app.command("demo", rich_help_panel=SERVER)(serve.demo)
    app.command("send", rich_help_panel=MAIL)(send.send)
    app.command("apply", rich_help_panel=TENANTS)(apply.apply)
    app.command("export", rich_help_panel=TENANTS)(apply.export)
    for panel, nouns in NOUNS.items():
        for noun, (sentence, verbs) in nouns.items():
            group = _group(f"{sentence}: {', '.join(verbs)}.")
            for name, verb in verbs.items():
                group.command(name)(verb)
            app.add_typer(group, name=noun, rich_help_panel=panel)
    return app


NOUNS: dict[str, dict[str, tuple[str, Verbs]]] = {
    SERVER: {"alerts": ("Mails to whoever has to know", alerts.VERBS)},
    TENANTS: {
        "tenant": ("Tenants", tenant.VERBS),
        "secrets": ("The key that seals secrets", secrets.VERBS),
        "credential": ("Submission logins of helpdesks", credential.VERBS),
        "domain": ("What a tenant sends as, and publishes", domain.VERBS),
        "upstream": ("Accounts that mail leaves by", upstream.VERBS),
        "mailbox": ("Mailboxes that are watched", mailbox.VERBS),
        "provider": ("What is known of providers", provider.VERBS),
    },
    MAIL: {
        "policy": ("What happens to mail, by files", policy.VERBS),
        "queue": ("Mail that waits", queue.VERBS),
        "log": ("What happened to each message", log.VERBS),
        "suppression": ("Addresses that nothing is sent to", suppression.VERBS),
    },
}


def _group(sentence: str) -> typer.Typer:
    return typer.Typer(
        help=sentence,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def _root(
    show_version: Annotated[bool, typer.Option("--version", is_eager=True)] = False,
) -> None:
    if show_version:
        typer.echo(f"gateway {version('mail-gateway')}")
        raise typer.Exit


def _tell(*sentences: str) -> None:
    for sentence in filter(None, sentences):
        typer.echo(f"gateway: {sentence}", err=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {(error.strerror or 'cannot be used').lower()}"
    return str(error)


def tell_fault(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Name a fault of ours and where it happened; its values may hold a secret."""
    frames = traceback.extract_tb(trace)
    where = "".join(
        f" at {one.filename.rsplit('/', 1)[-1]}:{one.lineno}" for one in frames[-1:]
    )
    _tell(f"a fault of ours, please report it: {kind.__name__}{where}")
