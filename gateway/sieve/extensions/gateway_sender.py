"""`vnd.gateway.sender` and `.template`: who a mail is from, its footer, names in templates."""

from __future__ import annotations

from gateway.sieve.addresses import parse_single
from gateway.sieve.checker import Builder, Namespace
from gateway.sieve.encoded_words import encode_words
from gateway.sieve.interface import HeaderEdit
from gateway.sieve.runtime import Command, Run, RunError
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command
from gateway.sieve.strings import Expression, Reference

SENDER, TEMPLATE = "vnd.gateway.sender", "vnd.gateway.template"
NAMES = {  # read-only variables: whether their text comes from the message
    "message.subject": True,
    "message.from": True,
    "message.from_name": True,
    "message.id": True,
    "tenant.name": False,
    "conversation.id": False,
}


def read_only(space: str) -> Namespace:
    """Return what makes references to the names of a namespace."""

    def resolve(builder: Builder, rest: str) -> Reference | None:
        name = f"{space}.{rest}"
        stranger = NAMES.get(name)
        if stranger is None:
            return None
        return Reference(name, lambda run: _value(run, name), lambda run: bool(stranger))

    return resolve


def _value(run: Run, name: str) -> str:
    return run.outside.variable(name) or ""


def _build_setfrom(given: Given, builder: Builder) -> Command:
    name = builder.optional_text(given, "name")
    address = builder.text(given.positionals[0])
    _check_address(address, given, builder)
    if address.constant is not None and (found := parse_single(address.constant)):
        local, _, domain = found.address.casefold().rpartition("@")
        own = f"{local.partition('+')[0]}@{domain}"
        builder.check_name("sender", own, given.positionals[0])

    def setfrom(run: Run) -> None:
        shown = name.expand(run) if name else None
        value = _address(address, run)
        run.envelope["from"] = value
        run.act("setfrom", value, arguments={"name": shown}, keeps=True)
        _set_field(run, "From", _mailbox(shown or "", value))

    return setfrom


def _build_setreplyto(given: Given, builder: Builder) -> Command:
    address = builder.text(given.positionals[0])
    _check_address(address, given, builder)

    def setreplyto(run: Run) -> None:
        value = _address(address, run)
        run.act("setreplyto", value, keeps=True)
        _set_field(run, "Reply-To", value)

    return setreplyto


def _build_footer(given: Given, builder: Builder) -> Command:
    text = builder.template(given.positionals[0])
    html = builder.template(given.tags["html"]) if given.has("html") else None

    def footer(run: Run) -> None:
        arguments = {"text": text.expand(run), "html": html.expand(run) if html else None}
        run.act("footer", arguments=arguments, keeps=True)

    return footer


def _set_field(run: Run, name: str, value: str) -> None:
    """Give the message exactly one field of that name."""
    run.delete_fields(name, range(1, len(run.message.named([name])) + 1))
    run.edit(HeaderEdit(name=name, value=value, last=True))


def _mailbox(name: str, address: str) -> str:
    """Return `name <address>`; the name quoted or in encoded words (RFC 2047 §5)."""
    shown = " ".join(name.split())
    if not shown:
        return address
    if not shown.isascii():
        return f"{encode_words(shown)} <{address}>"
    quoted = shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


def _check_address(address: Expression, given: Given, builder: Builder) -> None:
    value = address.constant
    if value is not None and parse_single(value) is None:
        builder.error(given.positionals[0], f"'{value}' is not one mail address")


def _address(address: Expression, run: Run) -> str:
    value = address.expand(run)
    found = parse_single(value)
    if found is None:
        raise RunError(f"'{value[:100]}' is not one mail address")
    return found.address


SIGNATURES = (
    command(
        "setfrom",
        _build_setfrom,
        help="Set From and the sender of the envelope.",
        capability=SENDER,
        tags=(Tagged("name", Kind.TEXT, help="The name shown."),),
        positionals=(Positional("address", Kind.TEXT),),
    ),
    command(
        "setreplyto",
        _build_setreplyto,
        help="Set Reply-To.",
        capability=SENDER,
        positionals=(Positional("address", Kind.TEXT),),
    ),
    command(
        "footer",
        _build_footer,
        help="Put a text below the message, once.",
        capability=SENDER,
        tags=(Tagged("html", Kind.TEXT, help="The same text for HTML mail."),),
        positionals=(Positional("text", Kind.TEXT),),
    ),
)
