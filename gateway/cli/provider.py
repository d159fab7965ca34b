"""`gateway provider`: what is known of mail providers, and which one to choose."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from gateway.cli import provider_words as words
from gateway.cli.opening import Config, Json, Verbs, find_config
from gateway.cli.output import (
    print_json,
    print_line,
    print_next,
    print_pairs,
    print_table,
    warn,
)
from gateway.cli.refusal import read_address, refuse_unknown
from gateway.providers.advice import USES, Advice, Wish, advise, find_steps, find_warnings
from gateway.providers.catalogue import Provider, load_catalogue

SHOWN = 5  # of the advised providers, for people
Id = Annotated[str, typer.Argument(metavar="PROVIDER", show_default=False)]
Volume = Annotated[
    int, typer.Option("--volume", metavar="N", min=1, help="Mails a day.", show_default=False)
]
Use = Annotated[
    list[str] | None,
    typer.Option("--use", metavar="USE", help=f"{', '.join(USES)}; may be repeated."),
]
SenderAddress = Annotated[
    str | None,
    typer.Option("--sender", metavar="ADDRESS", help="The address that mail is from."),
]
Errors = Annotated[bool, typer.Option("--errors", help="Its known answers, too.")]


def list_(*, config: Config = None, as_json: Json = False) -> None:
    """List the providers that a tenant file can name."""
    _check(config)
    known = load_catalogue().values()
    if as_json:
        print_json([_summary(one) for one in known])
        return
    for group, title in words.GROUPS.items():
        print_line(title, style="bold")
        print_table(
            ["provider", "name", "receives", "sends", "password", "addresses"],
            ([*_row(one)] for one in known if one.group == group),
            empty="this installation lacks its presets; install the gateway again",
        )
        print_line("")
    print_next("gateway provider show PROVIDER", "gateway provider advise --volume 200")


def show(
    provider: Id, *, errors: Errors = False, config: Config = None, as_json: Json = False
) -> None:
    """Show the servers, password, sender rule, limits and first steps of one provider."""
    _check(config)
    known = load_catalogue()
    if provider not in known:
        make = "install the gateway again"
        raise refuse_unknown(provider, known, thing="provider", make=make)
    found = known[provider]
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    print_pairs(
        [
            *words.servers(found),
            *words.password(found),
            *words.sending(found),
            *words.believed(found),
            *words.limits(found),
        ]
    )
    _print_steps("steps:", found.login.setup)
    if errors:
        _print_errors(found)
    if found.role != "channel":
        region = f', region = "{found.regions[0]}"' if found.regions else ""
        print_next(f'provider = "{found.id}"{region} in a tenant file')


def advise_(
    *,
    volume: Volume,
    use: Use = None,
    sender: SenderAddress = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Recommend providers for so many mails a day and their use, with the reasons."""
    _check(config)
    known = load_catalogue()
    wish = _wish(volume, use or ["support"], sender)
    found = advise(known, wish)
    warnings = list(find_warnings(known, wish))
    if as_json:
        print_json(_document(wish, found, warnings))
        return
    for sentence in warnings:
        warn(sentence)
    _print_advice(wish, found)


VERBS: Verbs = {"list": list_, "show": show, "advise": advise_}


def _check(config: Config) -> None:
    """The presets need no configuration; one that is named must be there all the same."""
    if config is not None:
        find_config(config).stat()


def _summary(provider: Provider) -> dict[str, object]:
    return {
        "id": provider.id,
        "name": provider.name,
        "role": provider.role,
        "group": provider.group,
        "domains": list(provider.domains),
        "imap": bool(provider.imap),
        "smtp": bool(provider.smtp),
        "secret": provider.login.secret,
        "regions": list(provider.known_regions),
    }


def _row(provider: Provider) -> Iterator[str | bool]:
    yield provider.id
    yield provider.name
    yield bool(provider.imap)
    yield bool(provider.smtp)
    yield "-" if provider.role == "channel" else provider.login.secret
    yield words.some(provider.domains)


def _print_steps(title: str, steps: Sequence[str]) -> None:
    for number, step in enumerate(steps, start=1):
        print_line(f"{title if number == 1 else ' ' * len(title)} {number}. {step}")


def _print_errors(provider: Provider) -> None:
    print_table(
        ["when", "code", "says", "cause"],
        (
            [row.on, "/".join(row.codes), " or ".join(row.texts) or "anything", row.cause]
            for row in provider.errors
        ),
        empty="no answer of its own is known; the general ones hold",
    )


def _wish(volume: int, uses: list[str], sender: str | None) -> Wish:
    for one in uses:
        if one not in USES:
            raise refuse_unknown(one, USES, thing="use", make="")
    address = None if sender is None else read_address(sender).key
    return Wish(per_day=volume, uses=tuple(dict.fromkeys(uses)), sender=address)


def _document(wish: Wish, found: list[Advice], warnings: list[str]) -> dict[str, object]:
    best = found[0]
    return {
        "volume": wish.per_day,
        "uses": list(wish.uses),
        "sender": wish.sender,
        "recommended": best.provider.id if best.fits else None,
        "steps": list(find_steps(best.provider, wish)) if best.fits else [],
        "warnings": warnings,
        "providers": [
            {
                "id": one.provider.id,
                "name": one.provider.name,
                "fits": one.fits,
                "points": one.points,
                "reasons": list(one.reasons),
                "limits": dict(words.limits(one.provider)),
            }
            for one in found
        ],
    }


def _print_advice(wish: Wish, found: list[Advice]) -> None:
    fitting = [one for one in found if one.fits]
    print_table(
        ["provider", "name", "why"],
        (
            [one.provider.id, one.provider.name, "; ".join(one.reasons)]
            for one in fitting[:SHOWN]
        ),
        empty="no provider of the catalogue fits: "
        + "; ".join(f"{one.provider.name} {one.reasons[0]}" for one in found[:SHOWN]),
    )
    if not fitting:
        return
    best = fitting[0].provider
    print_line(f"recommended: {best.name}", style="bold")
    print_pairs(words.limits(best))
    _print_steps("steps:", list(find_steps(best, wish)))
    print_next(f"gateway provider show {best.id}")
