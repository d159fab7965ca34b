"""`gateway provider`: what is known of mail providers."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from gateway.cli.opening import Config, Json, Verbs, find_config
from gateway.cli.output import print_json, print_line, print_next, print_pairs, print_table
from gateway.cli.refusal import refuse_unknown
from gateway.providers.catalogue import Provider, Server, load_catalogue


def list_(*, config: Config = None, as_json: Json = False) -> None:
    """List the providers that a tenant file can name."""
    _check(config)
    known = load_catalogue().values()
    if as_json:
        print_json([_summary(one) for one in known])
        return
    print_table(
        ["provider", "name", "role", "receives", "sends", "addresses"],
        (
            [one.id, one.name, one.role, bool(one.imap), bool(one.smtp), _some(one.domains)]
            for one in known
        ),
        empty="this installation lacks its presets; install the gateway again",
    )
    print_next("gateway provider show PROVIDER")


def show(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", show_default=False)],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the servers, limits and sign-in steps of one provider."""
    _check(config)
    known = load_catalogue()
    if provider not in known:
        make = "install the gateway again"
        raise refuse_unknown(provider, known, thing="provider", make=make)
    found = known[provider]
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    print_pairs(_pairs(found))
    for number, step in enumerate(found.login.setup, start=1):
        print_line(f"{'before:' if number == 1 else '       '} {number}. {step}")
    print_next(f'provider = "{found.id}" in a tenant file')


VERBS: Verbs = {"list": list_, "show": show}


def _check(config: Config) -> None:
    """The presets need no configuration; one that is named must be there all the same."""
    if config is not None:
        find_config(config).stat()


def _summary(provider: Provider) -> dict[str, object]:
    return {
        "id": provider.id,
        "name": provider.name,
        "role": provider.role,
        "domains": list(provider.domains),
        "imap": bool(provider.imap),
        "smtp": bool(provider.smtp),
    }


def _pairs(provider: Provider) -> list[tuple[str, str | int | float | None]]:
    login, limits = provider.login, provider.limits
    life = f"{login.secret_life_days} days" if login.secret_life_days else None
    names = f"{provider.name} {provider.name_zh}".strip()
    return [
        ("provider", provider.id),
        ("name", names),
        ("addresses", ", ".join(provider.domains)),
        ("regions", ", ".join(provider.regions)),
        ("imap", _servers(provider.imap)),
        ("smtp", _servers(provider.smtp)),
        ("user name", login.smtp_user if provider.smtp else login.imap_user),
        ("secret", login.secret),
        ("lives", life),
        ("from", provider.sender.rule),
        ("signed", provider.dkim_profile),
        ("spf", provider.dns.spf),
        ("figures of", limits.plan),
        ("a minute", limits.rate_per_minute),
        ("a day", limits.per_day),
        ("largest mail", f"{limits.message_mb} MB" if limits.message_mb else None),
    ]


def _servers(servers: tuple[Server, ...]) -> str:
    return "; ".join(
        f"{one.host}:{one.port} {one.security}" + (f" ({one.region})" if one.region else "")
        for one in servers
    )


def _some(domains: tuple[str, ...]) -> str:
    shown = ", ".join(domains[:4])
    return f"{shown} and {len(domains) - 4} more" if len(domains) > 4 else shown
