"""Which header fields of the provider can be believed, and where a message came from.

A provider writes its fields above what it was handed; below lies what anyone can forge. What
a provider writes is known per preset (`TrustedHops`); of an unknown one nothing is believed.

Believed is what stands above the Received field of the provider's border, where only its own
hosts write. A provider may write its Authentication-Results right below: of these only the
topmost counts, the next one may stand in the message as it was sent. What is said of DKIM
counts only for a domain that signed the message, which undoes the trick of a comment within
d= (RFC 8601 §7.1), and for none that signs a part of the body (RFC 6376 §8.2). What is said of
SPF or DMARC counts where it is said once: an address that was written as it came may read on.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice, takewhile

import authres

from gateway.authenticity.dkim_verify import MAX_FIELDS, find_signatures
from gateway.authenticity.dmarc import is_aligned
from gateway.authenticity.signature import read_dkim
from gateway.mail.address import parse_address, parse_domain
from gateway.mail.inbound import AuthResult
from gateway.mail.message import Field, Message

MAX_VALUE = 8192
METHODS = frozenset({"spf", "dkim", "dmarc", "arc", "iprev"})
RESULTS = frozenset(
    {"pass", "fail", "softfail", "neutral", "none", "temperror", "permerror", "policy"}
)
PROPERTIES = {  # where a method's domain stands (RFC 8601 §2.7), in order of preference
    "spf": (("smtp", "mailfrom"),),
    "dkim": (("header", "d"), ("header", "i")),
    "dmarc": (("header", "from"),),
}
ONCE = frozenset({"spf", "dmarc"})
PLAIN = re.compile(  # one of these, with one property that ends where the next begins
    r";\s*(spf|dmarc)\s*=\s*\w+(?:\s*\([^()]*\))*"
    r"(?:\s+[a-z]+\.[a-z]+\s*=\s*([^\s;()]+))?\s*(?=;|$)",
    re.IGNORECASE,
)
HOP = re.compile(r"(?:from\s+(\S.*?)\s)?by\s+([^\s;()]+)", re.DOTALL | re.IGNORECASE)
BY_MAIL = re.compile(  # not by POP3, a web page or a customer who signed in (RFC 3848)
    r"\swith\s+(?!ESMTPS?A\b)(?:Microsoft\s+)?\w*MTP|\s\(LMTPProxy\)",  # of Fastmail
    re.IGNORECASE,
)
WITHOUT_TYPE = re.compile(  # properties of no ptype, of Yahoo and of Microsoft
    r"\s(?:arc_overridden_status|action)=\w+"
)
BY = re.compile(r"\sby\s", re.IGNORECASE)
ID = re.compile(r"\sby\s.*?\sid\s+([^\s;]+)", re.DOTALL | re.IGNORECASE)
FOLD = re.compile(r"\r?\n[ \t]")
IN_BRACKETS = re.compile(r"[\[(](?:IPv6:)?([0-9A-Fa-f:.]+)[\])]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedHops:
    """What a provider's preset says of the fields that it writes; by default: none.

    `border_received`: patterns ("mx.google.com", "*.me.com") of the host after "by" in the
    Received field of its border; `inner_received`: of those that its own hosts write above it,
    and, where its customers hand mail to such hosts too, `inner_clients`: the networks of its
    own hosts, one of which each of these fields then has to name as the client.
    `writes_return_path`: it puts Return-Path above that itself, or, with
    `return_path_below_border`, as the first field below. `authserv_ids`: its names in
    Authentication-Results, with `results_of_border` the very host of its border; with
    `results_without_id` it writes none and means the first of them. Those fields stand above
    the border's Received, or, with `results_below_border`, right below it, in every message
    that enters there: with `results_above` it is that field which it writes in every message,
    its results above it, if any; with `results_after` they stand below the field which repeats
    the id that the border gave, folded within words. `results_name_sender`: only the envelope
    sender that they name is taken, so that SPF is verified here; its local part may stand there
    as it came and read like results. `arc_sealers`: domains whose word on a message that they
    passed on is believed (RFC 8617).
    """

    border_received: tuple[str, ...] = ()
    inner_received: tuple[str, ...] = ()
    inner_clients: tuple[str, ...] = ()
    writes_return_path: bool = False
    return_path_below_border: bool = False
    authserv_ids: tuple[str, ...] = ()
    results_of_border: bool = False
    results_without_id: bool = False
    results_below_border: bool = False
    results_above: str = ""
    results_after: str = ""
    results_name_sender: bool = False
    arc_sealers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the provider can be believed about one message."""

    client: str = ""  # IP address that handed the message to the border, or empty
    helo: str = ""
    mail_from: str | None = None  # the envelope sender; empty if null, None if unknown
    stated: tuple[AuthResult, ...] = ()
    believed: tuple[str, ...] = ()  # the Authentication-Results that say so, as they stand


def read_trace(message: Message, hops: TrustedHops) -> Trace:
    """Return what can be believed; never fails, whatever stands in the fields."""
    border = _find_border(message, hops)
    if hops.border_received and border is None:
        return Trace()
    above, below = _split_at(message, border)
    client, helo = _read_client(border) if border else ("", "")
    paths = below[1:2] if hops.return_path_below_border else above
    mail_from = _read_return_path(paths) if hops.writes_return_path else None
    ids = _authserv_ids(border, hops)
    found = [*_read_results(above, hops, ids=ids)]
    if hops.results_after and border:
        below = _fields_after(message, border, mark=hops.results_after)
    elif hops.results_above:
        below = _fields_above(below, mark=hops.results_above)
    if hops.results_below_border:
        found += islice(_read_results(below, hops, ids=ids), 1)
    if hops.results_name_sender:
        mail_from = next((_as_address(sender) for _, _, sender in found), None)
        return Trace(client=client, helo=helo, mail_from=mail_from)
    stated = (one for _, results, _ in found for one in results)
    kept = (borne_out(one, message, mail_from) for one in stated)
    return Trace(
        client=client,
        helo=helo,
        mail_from=mail_from,
        stated=tuple(one for one in kept if one),
        believed=tuple(value for value, _, _ in found),
    )


def read_scanned(
    message: Message, hops: TrustedHops, names: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Return name and value of the fields that are called so and stand above the border's.

    Below that Received field a stranger can have written, too: unlike with
    Authentication-Results no provider removes what he wrote there.
    """
    border = _find_border(message, hops)
    wanted = {name.lower() for name in names}
    if border is None or not wanted:
        return ()
    above = takewhile(lambda field: field is not border, message.fields)
    return tuple((one.name.lower(), one.value) for one in above if one.name.lower() in wanted)


def _find_border(message: Message, hops: TrustedHops) -> Field | None:
    """Return the Received field of the border, or None where anything else came before it.

    What came by another door (fetched by POP3, handed in by another customer) has fields
    below that door's that its sender wrote, and these may look like the border's. What a host
    of the border was handed by itself, such as from a filter, came by another field below.
    """
    for place, field in enumerate(message.all("Received")):
        client, host = _read_hop(field)
        is_of_border = _is_one_of(host, hops.border_received)
        if is_of_border and not _is_from_itself(field):
            return field if client else None
        is_inside = is_of_border or _is_one_of(host, hops.inner_received)
        if not is_inside or not _is_handed_on(field, hops, is_last=place == 0):
            return None
    return None


def _is_handed_on(field: Field, hops: TrustedHops, *, is_last: bool) -> bool:
    """Whether a host was handed the message by mail, and by another of the provider's own.

    The last step, into the mailbox, may be of another kind and within one host, where the
    networks of its own hosts are known.
    """
    if not hops.inner_clients:
        return bool(BY_MAIL.search(field.value))
    client, _ = _read_client(field)
    if not client or not (is_last or BY_MAIL.search(field.value)):
        return False
    address = ipaddress.ip_address(client)
    own = any(address in ipaddress.ip_network(one) for one in hops.inner_clients)
    return own or (is_last and address.is_loopback)


def _is_from_itself(field: Field) -> bool:
    """Whether the only address that a host wrote of its client is its own loopback."""
    client, _ = _read_client(field)
    return bool(client) and ipaddress.ip_address(client).is_loopback


def _read_hop(field: Field) -> tuple[str, str]:
    """Return the words after "from", which may lack, and the host after "by".

    There is no host where the field is ambiguous: a HELO that was written as it came may hold
    blanks, " by " and another address.
    """
    clause = field.value[:MAX_VALUE].partition(";")[0]
    found = HOP.match(clause)
    if not found or len(BY.findall(" " + clause)) != 1:
        return "", ""
    return found[1] or "", found[2].lower().rstrip(".")


def _is_one_of(host: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(host, pattern.lower()) for pattern in patterns)


def _split_at(message: Message, border: Field | None) -> tuple[list[Field], list[Field]]:
    """Return the fields above the border's, and those from it to the next Received.

    Without a border what stands above the first Received counts as above it.
    """
    above: list[Field] = []
    below: list[Field] = []
    passed = False
    for field in message.fields:
        received = field.name.lower() == "received"
        if received and (passed or border is None):
            break
        passed = passed or field is border
        (below if passed else above).append(field)
    return above, below


def _read_client(border: Field) -> tuple[str, str]:
    """Return the client's IP address and HELO; nothing where there are several addresses."""
    helo, rest = (*_read_hop(border)[0].split(maxsplit=1), "", "")[:2]
    addresses = {_as_ip(text) for text in IN_BRACKETS.findall(rest)} - {""}
    return (addresses.pop(), helo) if len(addresses) == 1 else ("", "")


def _read_return_path(fields: list[Field]) -> str | None:
    for field in fields:
        if field.name.lower() == "return-path":
            text = field.value.strip()
            if text == "<>":
                return ""
            return _as_address(text.removeprefix("<").removesuffix(">"))
    return None


def _fields_above(fields: list[Field], *, mark: str) -> list[Field]:
    """Return those above the first field of this name; none where it is missing."""
    names = [field.name.lower() for field in fields]
    return fields[: names.index(mark.lower())] if mark.lower() in names else []


def _fields_after(message: Message, border: Field, *, mark: str) -> list[Field]:
    """Return those below the field of this name that repeats the id of the border's Received.

    Nobody knows that id before the border gives it.
    """
    given = ID.search(border.value[:MAX_VALUE])
    fields = iter(message.fields)
    for field in fields:
        if given and field.name.lower() == mark.lower() and field.value == given[1]:
            break
    return list(fields)


def _authserv_ids(border: Field | None, hops: TrustedHops) -> list[str]:
    ids = [one.lower() for one in hops.authserv_ids]
    if hops.results_of_border and border:
        ids.append(_read_hop(border)[1])
    return ids


def _read_results(
    fields: list[Field], hops: TrustedHops, *, ids: list[str]
) -> Iterator[tuple[str, list[AuthResult], str]]:
    """Yield the value of each field of the provider's, what it states, and whom SPF was for."""
    for field in fields:
        if field.name.lower() != "authentication-results":
            continue
        value = FOLD.sub("", field.folded) if hops.results_after else field.value
        named = f"{ids[0]}; {value}" if hops.results_without_id else value
        authserv_id, results = parse_results(named)
        if authserv_id in ids:
            plain = _find_plain(named, results)
            kept = (one for one in results if one.method not in ONCE or one.method in plain)
            yield value, list(kept), plain.get("spf", "")


def _find_plain(value: str, results: list[AuthResult]) -> dict[str, str]:
    """Return of SPF and DMARC what they were for, where it is said once and nothing more."""
    times = Counter(one.method for one in results)
    found = PLAIN.findall(WITHOUT_TYPE.sub("", value))
    return {method.lower(): told for method, told in found if times[method.lower()] == 1}


def parse_results(value: str) -> tuple[str, list[AuthResult]]:
    """Return the authserv-id and what it says (RFC 8601 §2.2); nothing of a malformed value.

    What Yahoo and Microsoft write beside the grammar says nothing: a last semicolon, and
    properties of no type.
    """
    if len(value) > MAX_VALUE:
        return "", []
    value = WITHOUT_TYPE.sub("", value).rstrip("; \t\r\n")
    try:
        header = authres.parse_value(value)  # type: ignore[no-untyped-call]  # no types
    except (authres.AuthResError, ValueError, RecursionError):  # a comment in a comment in ...
        return "", []
    by = header.authserv_id.lower()
    return by, [_as_result(one, by) for one in header.results]


def _as_result(one: authres.AuthenticationResult, authserv_id: str) -> AuthResult:
    method, result = str(one.method).lower(), str(one.result).lower()
    values = {(p.type.lower(), p.name.lower()): str(p.value) for p in one.properties}
    found = (values[key] for key in PROPERTIES.get(method, ()) if values.get(key))
    domain = _as_domain(next(found, ""))
    return AuthResult(method=method, result=result, domain=domain, by=authserv_id)


def borne_out(one: AuthResult, message: Message, mail_from: str | None) -> AuthResult | None:
    """Return a stated result as far as the message bears it out, or None."""
    if one.method not in METHODS or one.result not in RESULTS:
        return None
    if one.result != "pass":
        return one
    if one.method == "dkim":
        return _checked_dkim(one, message)
    if one.method == "spf" and mail_from and not mail_from.endswith("@" + one.domain):
        return None
    if one.method == "dmarc" and _may_rest_on_a_part(one, message):
        return None
    return one if one.domain or one.method in ("arc", "iprev") else None


def _checked_dkim(one: AuthResult, message: Message) -> AuthResult | None:
    """Return the result with the d= of the signature; header.i may name a subdomain of it.

    A signature that proves nothing by its own words, such as one with l=, is none here.
    """
    domains = {one.domain for one in find_signatures(message) if not one.fault}
    signed = [d for d in domains if one.domain == d or one.domain.endswith("." + d)]
    if not signed:
        return None
    return AuthResult(
        method="dkim", result="pass", domain=max(signed, key=len), by=one.by, reason=one.reason
    )


def _may_rest_on_a_part(one: AuthResult, message: Message) -> bool:
    """Say whether a signature with l= may be why DMARC passed; others count by themselves."""
    if len(message.fields) > MAX_FIELDS:
        return True
    signatures = (read_dkim(field.raw) for field in message.all("DKIM-Signature"))
    return any(
        b"l" in signature.tags and is_aligned(signature.domain, one.domain, strict=False)
        for signature in signatures
    )


def _as_ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _as_address(text: str) -> str | None:
    try:
        return str(parse_address(text))
    except ValueError:
        return None


def _as_domain(value: str) -> str:
    try:
        return parse_domain(value.rpartition("@")[2])
    except ValueError:
        return ""
