"""A dialogue: what an option gives is not asked, and without a terminal nothing is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.refusal import Refusal, read_address
from gateway.cli.tenant_source import read_secret_file
from gateway.mail.schema import SchemaError, parse_secret, unknown_key
from gateway.mail.tenant import Security
from gateway.providers.catalogue import load_catalogue

SSL_WORDS = frozenset({"ssl", "ssl/tls", "smtps"})  # what mail programs call it

OPTIONS = {"sender": "--from", "address": "ADDRESS"}  # where they are not as the key

Host = Annotated[
    str | None, typer.Option(help="Of a provider that is not known.", show_default=False)
]
Port = Annotated[int | None, typer.Option(min=1, max=65535, show_default=False)]
Region = Annotated[
    str | None, typer.Option(help="Where the provider has several.", show_default=False)
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--ca-file", metavar="FILE", show_default=False, help="A private authority to trust."
    ),
]
SecretFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Else it is asked for.", show_default=False)
]
Preset = Annotated[
    str | None, typer.Option(help="As gateway provider list shows.", show_default=False)
]
Protection = Annotated[
    str | None, typer.Option(help="starttls, tls or none.", show_default=False)
]
User = Annotated[str | None, typer.Option(help="Else the address.", show_default=False)]

Read = Callable[[str], Any]
"""Reads an answer or an option; raises Refusal."""


class Asking:
    """Fills `given`: by its options, by a person at a terminal, by defaults."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self.is_person = sys.stdin.isatty()

    def ask(self, question: str, key: str, *, read: Read, default: str | None = None) -> Any:
        """Return the value of `key`, read from its option or from an answer."""
        if (value := self._given[key]) is None:
            value = self._answer(question, key, read, default)
        else:
            value = read(str(value))
        self._given[key] = value
        return value

    def _answer(self, question: str, key: str, read: Read, default: str | None) -> Any:
        if not self.is_person:
            if default is None:
                option = OPTIONS.get(key, f"--{key.replace('_', '-')}")
                raise Refusal(f"{option} is missing, and nobody is at a terminal to be asked")
            return read(default)
        return typer.prompt(
            question, default=default, value_proc=_as_answer(read), show_default=bool(default)
        )


def agree(question: str, *, yes: bool) -> None:
    """Ask before something is removed; `yes` has agreed, and nobody else may be taken to."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refusal(f"{question} Nobody is at a terminal to be asked; --yes agrees")
    typer.confirm(question, abort=True, err=True)


def read_security(text: str) -> str:
    """Return the word of a security; raises Refusal with the nearest one."""
    word = text.strip().casefold()
    if word in SSL_WORDS:
        raise Refusal(f"there is no security '{text}'; did you mean tls?")
    if word not in tuple(Security):
        raise Refusal(unknown_key(word, tuple(Security), thing="security"))
    return word


def read_provider(text: str) -> str:
    """Return the name of a preset; raises Refusal with the nearest one."""
    known = load_catalogue()
    if (name := text.strip()) not in known:
        raise Refusal(unknown_key(name, known, thing="provider"))
    return name


def read_port(text: str) -> int:
    """Return a port; raises Refusal."""
    port = text.strip()
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise Refusal(f"'{text}' is not a port: write a number such as 587")
    return int(port)


def read_address_key(text: str) -> str:
    """Return an address as it is kept; raises Refusal."""
    return read_address(text).key


def read_password(question: str, file: Path | None) -> str:
    """Return the one line of `file`, or what a person types unseen; raises Refusal."""
    if file is not None:
        try:
            return read_secret_file("--password-file", str(file))
        except SchemaError as error:
            raise Refusal(str(error)) from error
    if not sys.stdin.isatty():
        raise Refusal("--password-file is missing, and nobody is at a terminal to be asked")
    return parse_secret(str(typer.prompt(f"{question} (not shown)", hide_input=True)))


def _as_answer(read: Read) -> Read:
    """Have a wrong answer told and asked again, where a wrong option ends the verb."""

    def answered(text: str) -> Any:
        try:
            return read(text)
        except Refusal as refusal:
            raise typer.BadParameter(str(refusal)) from refusal

    return answered
