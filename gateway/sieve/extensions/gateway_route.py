"""`vnd.gateway.route` and `.hold`: to the helpdesk, or to a person first."""

from __future__ import annotations

from gateway.sieve.addresses import parse_path
from gateway.sieve.checker import Builder
from gateway.sieve.extensions.actions import COPY
from gateway.sieve.extensions.gateway_chain import one_of
from gateway.sieve.runtime import Command, Run, RunError, StopScript
from gateway.sieve.signature import Given, Kind, Positional, Tagged, command
from gateway.sieve.strings import Expression

ROUTE, HOLD = "vnd.gateway.route", "vnd.gateway.hold"
ENDINGS = ("release", "reject", "discard")
MOST_SECONDS = 3650 * 86400


def check_route(
    expression: Expression, given: Given, builder: Builder, *, tag: str = ""
) -> None:
    """Report a constant route that the configuration does not know."""
    name = expression.constant
    if name is not None and name.upper() != "INBOX":
        builder.check_name("route", name, given.tags[tag] if tag else given.positionals[0])


def _build_route(given: Given, builder: Builder) -> Command:
    route = builder.text(given.positionals[0])
    fields = builder.optional_texts(given, "fields")
    copy = given.has("copy")
    check_route(route, given, builder)
    for field in fields.constants or ():
        if not field.partition("=")[0].strip() or "=" not in field:
            builder.error(given.tags["fields"], f"'{field}' must have the form \"name=value\"")

    def run_route(run: Run) -> None:
        arguments = {"copy": copy, "fields": fields.expand(run)}
        run.act("route", route.expand(run), arguments=arguments, keeps=copy)

    return run_route


def _build_setenvelope(given: Given, builder: Builder) -> Command:
    part = one_of(given, builder, words=("from", "to"))
    address = builder.text(given.positionals[1])
    if address.constant is not None and parse_path(address.constant) is None:
        builder.error(given.positionals[1], f"'{address.constant}' is not one mail address")

    def setenvelope(run: Run) -> None:
        path = parse_path(address.expand(run))
        if path is None:
            raise RunError("setenvelope: this is not one mail address")
        run.envelope[part] = path.address if path.domain else ""
        run.act("setenvelope", run.envelope[part], arguments={"part": part}, keeps=True)

    return setenvelope


def _build_hold(given: Given, builder: Builder) -> Command:
    reason = builder.text(given.positionals[0])
    seconds = builder.number(given, "for")
    then = builder.optional_text(given, "then")
    notify = builder.optional_texts(given, "notify")
    ending = then.constant if then else None
    if then is not None and ending not in ENDINGS:
        hint = builder.source.suggest(ending or "", ENDINGS)
        builder.error(
            given.tags["then"], f'\':then\' takes "release", "reject" or "discard"{hint}'
        )
    for name in notify.constants or ():
        builder.check_name("notify", name, given.tags["notify"])
    if seconds is not None and seconds > MOST_SECONDS:
        builder.error(given.tags["for"], f"':for' takes at most {MOST_SECONDS} seconds")
    if then is not None and seconds is None:
        builder.warn(given.tags["then"], "':then' says nothing without ':for'; add the seconds")

    def hold(run: Run) -> None:
        run.withdraw_keep()
        run.act(
            "hold",
            arguments={
                "reason": reason.expand(run),
                "seconds": seconds,
                "then": ending,
                "notify": notify.expand(run),
            },
        )
        raise StopScript

    return hold


SIGNATURES = (
    command(
        "route",
        _build_route,
        help="Deliver the message to a route, with fields for the helpdesk.",
        capability=ROUTE,
        tags=(
            COPY,
            Tagged("fields", Kind.TEXTS, help="Fields for the helpdesk, as name=value."),
        ),
        positionals=(Positional("route", Kind.TEXT),),
    ),
    command(
        "setenvelope",
        _build_setenvelope,
        help="Change the sender or recipient of the envelope.",
        capability=ROUTE,
        positionals=(Positional("part", Kind.TEXT), Positional("address", Kind.TEXT)),
    ),
    command(
        "hold",
        _build_hold,
        help="Let the message wait for a person.",
        capability=HOLD,
        tags=(
            Tagged(
                "for", Kind.NUMBER, help="So many seconds; left out: until a person decides."
            ),
            Tagged(
                "then", Kind.TEXT, help="What happens after that: release, reject or discard."
            ),
            Tagged("notify", Kind.TEXTS, help="Whom to tell."),
        ),
        positionals=(Positional("reason", Kind.TEXT),),
    ),
)
