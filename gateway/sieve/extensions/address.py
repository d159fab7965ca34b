"""The address test (RFC 5228 §5.1) and the parts of an address, subaddresses too (RFC 5233)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gateway.sieve.addresses import Mailbox
from gateway.sieve.checker import Builder
from gateway.sieve.extensions.selection import INDEX, MIME, selection
from gateway.sieve.matching import COMPARISON, compile_match
from gateway.sieve.message import Field
from gateway.sieve.runtime import Run, Test
from gateway.sieve.signature import Given, Kind, Positional, Tagged, test

ADDRESS_PARTS = (
    Tagged("all", group="address part", help="The whole address."),
    Tagged("localpart", group="address part", help="What stands before the @."),
    Tagged("domain", group="address part", help="What stands behind the @."),
    Tagged(
        "user",
        group="address part",
        capability="subaddress",
        help="The local part without its detail.",
    ),
    Tagged(
        "detail",
        group="address part",
        capability="subaddress",
        help="What stands behind the + of the local part.",
    ),
)
ADDRESS_FIELDS = frozenset(
    [
        "from",
        "to",
        "cc",
        "bcc",
        "sender",
        "reply-to",
        "resent-from",
        "resent-to",
        "resent-cc",
        "resent-bcc",
        "resent-sender",
        "resent-reply-to",
        "return-path",
        "delivered-to",
        "x-original-to",
        "errors-to",
        "envelope-to",
        "disposition-notification-to",
        "return-receipt-to",
        "x-envelope-from",
        "x-envelope-to",
        "x-forwarded-to",
        "x-forwarded-for",
        "apparently-to",
        "mail-followup-to",
        "mail-reply-to",
    ]
)

Part = Callable[
    [Mailbox, str], str | None
]  # address and separators -> part, None: no such part


def address_part(given: Given) -> Part:
    """Return what cuts the part that the tags ask for out of an address.

    :count counts addresses (RFC 5231 §4.2), whether they have that part or not.
    """
    if given.has("count"):
        return _all
    return _PARTS[given.chosen("address part") or "all"]


def cut(mailboxes: Iterable[Mailbox], part: Part, separators: str) -> list[str]:
    """Return that part of every address that has it."""
    parts = [part(mailbox, separators) for mailbox in mailboxes]
    return [found for found in parts if found is not None]


def _build_address(given: Given, builder: Builder) -> Test:
    names = builder.texts(given.positionals[0])
    match = compile_match(given, builder, keys=builder.texts(given.positionals[1]))
    part, select = address_part(given), selection(given, builder, names.lowered())
    for name in names.constants or ():
        if name.lower() not in ADDRESS_FIELDS:
            _report_no_addresses(name, given, builder)

    def test_address(run: Run) -> bool:
        found = [text for field in select(run) for text in _parts(field, part, run.separators)]
        return match(run, found)

    return test_address


def _parts(field: Field, part: Part, separators: str) -> list[str]:
    """Return the parts of a field's addresses; without any its text counts as a whole.

    What is no address, such as a name alone, has no parts: only :all can match it (RFC 5228
    §2.7.4).
    """
    if whole := [mailbox for mailbox in field.mailboxes if mailbox.domain]:
        return cut(whole, part, separators)
    return [field.value] if part is _all else []


def _report_no_addresses(name: str, given: Given, builder: Builder) -> None:
    """Warn of a header that holds no addresses; strictly it is refused (RFC 5228 §5.1)."""
    said = f"the header '{name}' holds no addresses; use the test 'header'"
    report = builder.error if builder.unit.strict else builder.warn
    report(given.positionals[0], said)


def _all(mailbox: Mailbox, separators: str) -> str:
    return mailbox.address


def _local(mailbox: Mailbox, separators: str) -> str:
    return mailbox.local


def _domain(mailbox: Mailbox, separators: str) -> str:
    return mailbox.domain


def _user(mailbox: Mailbox, separators: str) -> str:
    at = _separator(mailbox, separators)
    return mailbox.local if at < 0 else mailbox.local[:at]


def _detail(mailbox: Mailbox, separators: str) -> str | None:
    """Return what follows the separator; without one there is no detail (RFC 5233 §4)."""
    at = _separator(mailbox, separators)
    return None if at < 0 else mailbox.local[at + 1 :]


def _separator(mailbox: Mailbox, separators: str) -> int:
    found = [at for one in separators if (at := mailbox.local.find(one)) >= 0]
    return min(found, default=-1)


_PARTS: dict[str, Part] = {
    "all": _all,
    "localpart": _local,
    "domain": _domain,
    "user": _user,
    "detail": _detail,
}

SIGNATURES = (
    test(
        "address",
        _build_address,
        help="Compare addresses in header fields with keys.",
        tags=(*COMPARISON, *ADDRESS_PARTS, *INDEX, *MIME),
        positionals=(Positional("header list", Kind.TEXTS), Positional("key list", Kind.TEXTS)),
    ),
)
