"""How the sandbox's mailboxes misbehave: plain values, changeable while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNSAFE_LOGIN = "Unsafe Login. Please contact kefu@188.com for help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What is odd about a provider, or about one account there; the default is nothing."""

    needs_id: bool = False  # SELECT and EXAMINE are refused before ID (RFC 2971)
    no_idle: bool = False
    refuse_login: str | None = None  # the text after NO to LOGIN, whatever the password is
    code_expired: bool = False  # the right password reads like a wrong one
    refusal: str = "[AUTHENTICATIONFAILED] Invalid credentials"  # of a wrong password
    charset: str = "utf-8"  # of its refusals
    sign_ins: int | None = None  # so many in all; each further one is refused
    no_passwords: bool = False  # LOGIN is refused: only a token would be taken
    throttled: str | None = None  # the text of the BYE that ends each session at a FETCH
    deaf: bool = False  # connections stay open, and nothing is said on them any more
    pieces_of: int | None = None  # bytes in which everything is sent
    instead: Mapping[str, bytes] = field(default_factory=dict)  # command -> said, with its TAG
    labels: bool = False  # every message lies in All Mail, too


NETEASE = Quirks(needs_id=True, no_idle=True, refusal="LOGIN Login error or password error")
QQ_REFUSAL = (
    "Account is abnormal, service is not open, password is incorrect, login frequency limited,"
    " or system is busy"
)
QQ = Quirks(no_idle=True, refusal=f"登录失败 {QQ_REFUSAL}", charset="gbk")
GMAIL = Quirks(labels=True, refusal="[AUTHENTICATIONFAILED] Invalid credentials (Failure)")
GMAIL_THROTTLE = "Account exceeded command or bandwidth limits."
MICROSOFT = Quirks(
    no_passwords=True, refuse_login="LOGIN failed.", refusal="AUTHENTICATE failed."
)
"""Passwords are over: access tokens alone sign in."""
