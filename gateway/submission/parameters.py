"""Pure: the arguments of MAIL and RCPT (RFC 5321 §4.1.2, 1870, 3461, 4865, 4954, 6152, 6531).

Values keep their case: ENVID and ORCPT come back to the client in its notifications.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from gateway.mail.address import Address, parse_address
from gateway.mail.envelope import Recipient
from gateway.mail.reply import Reply
from gateway.submission import future
from gateway.submission.content import too_big

PATH = re.compile(
    r"<(?:@[^\s:<>\"]+:)?"  # a source route is ignored (RFC 5321 §4.1.1.3)
    r'(?P<address>(?:"(?:[^"\\]|\\.)*"|[^<>"\s])*)>'
    r"(?: +(?P<parameters>.*))?"
)
PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9-]*)(?:=(?P<value>[^=\s]+))?")
XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")  # RFC 3461 §4
ORCPT = re.compile(r"[A-Za-z0-9-]+;" + XTEXT.pattern)
MAX_ENVID, MAX_ORCPT = 100, 500  # RFC 3461 §4.4, §5.4.3
MAIL_PARAMETERS = (
    frozenset({"SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"}) | future.PARAMETERS
)
RCPT_PARAMETERS = frozenset({"NOTIFY", "ORCPT"})
BODIES = ("7BIT", "8BITMIME")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailArguments:
    """What MAIL says; a null return path is None."""

    return_path: Address | None
    ret: str | None = None
    envid: str | None = None
    body_8bit: bool = False
    smtputf8: bool = False
    hold_until: datetime | None = None  # RFC 4865
    size_bytes: int = 0  # as the client believes (RFC 1870); 0: it does not say


def parse_mail(argument: str, *, max_bytes: int, now: datetime) -> MailArguments | Reply:
    """Return what `FROM:<path> parameters` says at `now`, or the refusal."""
    split = _split(argument, "FROM:", known=MAIL_PARAMETERS)
    if isinstance(split, Reply):
        return split
    path, given = split
    if refusal := _find_mail_fault(given, max_bytes=max_bytes):
        return refusal
    hold_until = future.find_hold(given, now=now)
    if isinstance(hold_until, Reply):
        return hold_until
    smtputf8 = "SMTPUTF8" in given
    address = _parse_path(path, smtputf8=smtputf8) if path else None
    if isinstance(address, Reply):
        return address
    ret = given.get("RET")
    return MailArguments(
        return_path=address,
        ret=ret.upper() if ret else None,
        envid=given.get("ENVID"),
        body_8bit=given.get("BODY", "").upper() == "8BITMIME",
        smtputf8=smtputf8,
        hold_until=hold_until,
        size_bytes=int(given.get("SIZE", "0")),
    )


def parse_rcpt(argument: str, *, smtputf8: bool) -> Recipient | Reply:
    """Return what `TO:<path> parameters` says, or the refusal."""
    split = _split(argument, "TO:", known=RCPT_PARAMETERS)
    if isinstance(split, Reply):
        return split
    path, given = split
    if not path:
        return Reply(501, "5.1.3", "A recipient cannot be empty")
    if refusal := _find_rcpt_fault(given):
        return refusal
    address = _parse_path(path, smtputf8=smtputf8)
    if isinstance(address, Reply):
        return address
    notify = given.get("NOTIFY")
    return Recipient(address, notify.upper() if notify else None, given.get("ORCPT"))


def _split(
    argument: str, keyword: str, *, known: frozenset[str]
) -> tuple[str, dict[str, str]] | Reply:
    """Return the path without brackets, and the parameters by upper-case name."""
    found = None
    if argument[: len(keyword)].upper() == keyword:
        found = PATH.fullmatch(argument[len(keyword) :].strip(" "))
    if not found:
        return Reply(501, "5.5.4", f"Write {keyword}<address>, then parameters")
    given: dict[str, str] = {}
    for word in (found["parameters"] or "").split():
        parameter = PARAMETER.fullmatch(word)
        if not parameter or parameter["name"].upper() in given:
            return Reply(501, "5.5.4", "A parameter is malformed or given twice")
        name = parameter["name"].upper()
        if name not in known:
            return Reply(555, "5.5.4", f"The parameter {name} is not known here")
        given[name] = parameter["value"] or ""
    return found["address"], given


def _parse_path(text: str, *, smtputf8: bool) -> Address | Reply:
    if not text.isascii() and not smtputf8:
        return Reply(553, "5.6.7", "An address with non-ASCII characters needs SMTPUTF8")
    try:
        text.encode()
        return parse_address(text)
    except UnicodeEncodeError:
        return Reply(553, "5.6.7", "The address is not UTF-8")
    except ValueError:
        return Reply(553, "5.1.3", "The address is malformed: it needs the form name@domain")


def _find_mail_fault(given: dict[str, str], *, max_bytes: int) -> Reply | None:
    size = given.get("SIZE", "0")
    if not (size.isascii() and size.isdigit() and len(size) <= 20):  # RFC 1870 §5
        return Reply(501, "5.5.4", "SIZE takes a number of bytes")
    if int(size) > max_bytes:
        return too_big(max_bytes)
    if given.get("BODY", "7BIT").upper() not in BODIES:
        return Reply(501, "5.5.4", "BODY is 7BIT or 8BITMIME")
    if given.get("SMTPUTF8"):
        return Reply(501, "5.5.4", "SMTPUTF8 takes no value")
    if given.get("RET", "FULL").upper() not in ("FULL", "HDRS"):
        return Reply(501, "5.5.4", "RET is FULL or HDRS")
    return _find_xtext_fault(given, "ENVID", limit=MAX_ENVID, form=XTEXT)


def _find_rcpt_fault(given: dict[str, str]) -> Reply | None:
    words = given.get("NOTIFY", "NEVER").upper().split(",")
    wanted = set(words)
    known = wanted == {"NEVER"} or wanted <= {"SUCCESS", "FAILURE", "DELAY"}
    if not known or len(wanted) != len(words):
        return Reply(501, "5.5.4", "NOTIFY is NEVER, or a list of SUCCESS, FAILURE, DELAY")
    return _find_xtext_fault(given, "ORCPT", limit=MAX_ORCPT, form=ORCPT)


def _find_xtext_fault(
    given: dict[str, str], name: str, *, limit: int, form: re.Pattern[str]
) -> Reply | None:
    value = given.get(name)
    if value is None or (len(value) <= limit and form.fullmatch(value)):
        return None
    return Reply(501, "5.5.4", f"{name} is too long or not xtext (RFC 3461, section 4)")
