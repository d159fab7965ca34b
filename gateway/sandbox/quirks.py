"""How the sandbox's mailboxes misbehave: plain values, changeable while it runs."""

from __future__ import annotations

from dataclasses import dataclass

UNSAFE_LOGIN = "Unsafe Login. Please contact kefu@188.com for help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What is odd about a provider, or about one account there; the default is nothing."""

    needs_id: bool = False  # SELECT and EXAMINE are refused before ID (RFC 2971)
    no_idle: bool = False
    refuse_login: str | None = None  # the text after NO, whatever the password is
    code_expired: bool = False  # the right password reads like a wrong one
    refusal: str = "[AUTHENTICATIONFAILED] Invalid credentials"  # of a wrong password


NETEASE = Quirks(needs_id=True, refusal="LOGIN Login error or password error")
