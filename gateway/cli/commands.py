"""Joins the nouns to one command, and turns what went wrong into one sentence."""

from __future__ import annotations

import sqlite3
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from io import TextIOWrapper
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_command

from gateway.cli.opening import Verbs
from gateway.cli.refusal import Refusal
from gateway.config import ConfigError
from gateway.mail.charset import without_controls
from gateway.store.errors import StoreError

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

HELP = """A mail gateway between helpdesks and the mailboxes of their customers.

Start with gateway init, then gateway serve. Every verb takes --help."""

SERVER, TENANTS, MAIL = "The server", "Tenants and what is theirs", "Mail"


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; return its exit code: 2 for a command that is not one, 130
    for one that a person stopped.

    Whatever goes wrong is told in a sentence on standard error, never as a traceback.
    """
    sys.excepthook = tell_fault
    if isinstance(sys.stdout, TextIOWrapper):  # a mail may hold what no terminal can show
        sys.stdout.reconfigure(errors="replace")
    try:
        done = get_command(build(*arguments[:1])).main(
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


def build(word: str = "") -> typer.Typer:
    """Return the command with the noun or verb `word` alone, or else whole.

    What is not asked for is not imported: that is most of the time that a verb takes.
    """
    app = _group(HELP)
    app.callback()(_root)
    for name, (panel, module) in VERBS.items():
        if word == name or word not in WORDS:
            app.command(name, rich_help_panel=panel)(getattr(_module(module), name))
    for noun, (panel, sentence) in NOUNS.items():
        if word == noun or word not in WORDS:
            app.add_typer(_noun(noun, sentence), name=noun, rich_help_panel=panel)
    return app


VERBS = {  # the panel in which it is shown, the module
    "init": (SERVER, "init"),
    "serve": (SERVER, "serve"),
    "check": (SERVER, "check"),
    "status": (SERVER, "status"),
    "demo": (SERVER, "serve"),
    "apply": (TENANTS, "apply"),
    "export": (TENANTS, "apply"),
    "send": (MAIL, "send"),
}
NOUNS = {  # the panel, what it is about; the module has its name
    "alerts": (SERVER, "Mails to whoever has to know"),
    "tenant": (TENANTS, "Tenants"),
    "secrets": (SERVER, "The key that seals secrets"),
    "credential": (TENANTS, "Submission logins of helpdesks"),
    "domain": (TENANTS, "What a tenant sends as, and publishes"),
    "upstream": (TENANTS, "Accounts that mail leaves by"),
    "mailbox": (TENANTS, "Mailboxes that are watched"),
    "provider": (TENANTS, "What is known of providers"),
    "policy": (MAIL, "What happens to mail, by files"),
    "queue": (MAIL, "Mail that waits"),
    "log": (MAIL, "What happened to each message"),
    "suppression": (MAIL, "Addresses that nothing is sent to"),
}
WORDS = {*VERBS, *NOUNS}


def verbs_of(noun: str) -> Verbs:
    """Return the verbs of a noun by their names."""
    found: Verbs = _module(noun).VERBS
    return found


def _noun(noun: str, sentence: str) -> typer.Typer:
    verbs = verbs_of(noun)
    group = _group(f"{sentence}: {', '.join(verbs)}.")
    for name, verb in verbs.items():
        group.command(name)(verb)
    return group


def _module(name: str) -> ModuleType:
    return import_module(f"gateway.cli.{name}")


class _Group(TyperGroup):
    """Lists its verbs under their panels, each with its whole sentence."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            sentence = " ".join((command.help or "").split("\n\n")[0].split())
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            panels.setdefault(panel, []).append((name, sentence))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


def _group(sentence: str) -> typer.Typer:
    return typer.Typer(
        cls=_Group,
        help=sentence,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # its columns cut the names of options, its markup eats [alerts]
    )


def _root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda asked: _tell_version(asked=asked),
            help="Print which release this is.",
        ),
    ] = False,
) -> None:
    del show_version  # answered before a verb is looked for


def _tell_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"gateway {version('mail-gateway')}")
        raise typer.Exit


def _tell(*sentences: str) -> None:
    for sentence in filter(None, sentences):
        typer.echo(without_controls(f"gateway: {sentence}"), err=True)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {(error.strerror or 'cannot be used').lower()}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or f"it stopped: {type(error).__name__}"  # such as TimeoutError


def tell_fault(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Name a fault of ours and where it happened; its values may hold a secret."""
    frames = traceback.extract_tb(trace)
    where = "".join(
        f" at {one.filename.rsplit('/', 1)[-1]}:{one.lineno}" for one in frames[-1:]
    )
    _tell(f"a fault of ours, please report it: {kind.__name__}{where}")
