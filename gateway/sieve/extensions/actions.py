"""Actions (RFC 5228 §4): keep, discard, redirect, fileinto; with :copy (RFC 3894), :create."""

from __future__ import annotations

from dataclasses import replace

from gateway.sieve.addresses import parse_single
from gateway.sieve.checker import Builder
from gateway.sieve.extensions.imap4flags import FLAGS, given_flags
from gateway.sieve.runtime import Command, Run, RunError
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command
from gateway.sieve.strings import Expression

COPY = Tagged("copy", capability="copy", help="Do it beside: the message is still kept.")
CREATE = Tagged("create", capability="mailbox", help="Create the mailbox when it is missing.")
LIST = Tagged("list", capability="extlists", help="To each address in a list of lists/.")


def _build_keep(given: Given, builder: Builder) -> Command:
    flags = given_flags(given, builder)
    return lambda run: run.act("keep", flags=flags(run))


def _build_discard(given: Given, builder: Builder) -> Command:
    return lambda run: run.act("discard")


def _build_redirect(given: Given, builder: Builder) -> Command:
    address = builder.text(given.positionals[0])
    copy = given.has("copy")
    if given.has("list"):
        return _redirect_to_list(address, given, builder)
    if address.constant is not None and parse_single(address.constant) is None:
        sentence = f"'{address.constant}' is not one mail address; write name@domain.example"
        builder.error(given.positionals[0], sentence)

    def redirect(run: Run) -> None:
        _redirect(address.expand(run), run, copy=copy)

    return redirect


def _redirect_to_list(name: Expression, given: Given, builder: Builder) -> Command:
    """Send the message to each address in a list (RFC 6134 §2.4)."""
    copy = given.has("copy")
    if name.constant is not None:
        builder.check_name("list", name.constant, given.positionals[0])

    def redirect(run: Run) -> None:
        wanted = name.expand(run)
        addresses = [one for one in run.outside.list_entries(wanted) if parse_single(one)]
        if not addresses:
            raise RunError(f"redirect: the list '{wanted[:100]}' has no mail address")
        for address in addresses:
            _redirect(address, run, copy=copy)

    return redirect


def _redirect(address: str, run: Run, *, copy: bool) -> None:
    mailbox = parse_single(address)
    if mailbox is None:
        raise RunError(f"redirect: '{address[:100]}' is not one mail address")
    domain = mailbox.domain.lower()  # RFC 5321 §2.4: in any case it is the same target
    target = replace(mailbox, domain=domain).address
    run.act("redirect", target, arguments={"copy": copy}, keeps=copy)


def _build_fileinto(given: Given, builder: Builder) -> Command:
    mailbox = builder.text(given.positionals[0])
    flags = given_flags(given, builder)
    copy, create = given.has("copy"), given.has("create")
    if mailbox.constant is not None:
        _check_mailbox(mailbox.constant, given, builder)

    def fileinto(run: Run) -> None:
        name = mailbox.expand(run)
        if any(0xD800 <= ord(character) < 0xE000 for character in name):
            raise RunError("fileinto: invalid folder name: it is not UTF-8")
        arguments = {"copy": copy, "create": create}
        run.act("fileinto", name, flags=flags(run), arguments=arguments, keeps=copy)

    return fileinto


def _check_mailbox(name: str, given: Given, builder: Builder) -> None:
    place = given.positionals[0]
    if not name or not is_mailbox_name(name):
        builder.error(place, f"{name[:60]!a} is not the name of a mailbox")
    elif name.upper() != "INBOX":
        builder.check_name("route", name, place)


def is_mailbox_name(name: str) -> bool:
    """Whether it could be a mailbox: valid UTF-8 without control characters (RFC 5228 §4.1)."""
    return not any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in name)


SIGNATURES = (
    command(
        "keep",
        _build_keep,
        help="Keep the message: the next file of the chain runs.",
        tags=(FLAGS,),
    ),
    command("discard", _build_discard, help="Drop the message without a word to anybody."),
    command(
        "redirect",
        _build_redirect,
        help="Send the message on to another address.",
        tags=(COPY, LIST),
        positionals=(Positional("address", Kind.TEXT),),
    ),
    command(
        "fileinto",
        _build_fileinto,
        help="Deliver the message to a route.",
        capability="fileinto",
        tags=(COPY, CREATE, FLAGS),
        positionals=(Positional("mailbox", Kind.TEXT),),
    ),
)
