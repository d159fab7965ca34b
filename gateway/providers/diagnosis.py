"""A server's words -> the cause, and what to do about it; pure.

Phases are `smtp-auth`, `smtp-mail`, `smtp-rcpt`, `smtp-data`, `smtp-any`, `imap-login`,
`imap-select`, `imap-any`, `token`, `destination` and `bounce`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gateway.mail.reply import ENHANCED
from gateway.providers.catalogue import ErrorRow, Provider
from gateway.providers.causes import CAUSES, Turn
from gateway.providers.standard import find_standard

UNDECIDED = frozenset({"wrong-secret", "login-ambiguous"})
OF_PASSWORDS = frozenset({"wrong-secret", "login-ambiguous", "needs-app-secret", "needs-oauth"})
OF_MAIL = frozenset({"smtp-rcpt", "smtp-data"})  # where an answer is about the mail alone
SIGN_IN = frozenset({"smtp-auth", "imap-login"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The cause, one sentence each on what happened and what to do, and whose turn it is."""

    cause: str
    meaning: str
    fix: str | None
    whose_turn: Turn
    listed: bool = True  # False: no rule knows the answer, the bare code speaks


def diagnose(
    provider: Provider,
    catalogue: Mapping[str, Provider],
    *,
    phase: str,
    code: int | str,
    text: str,
    address: str | None = None,
    oauth2: bool = False,
) -> Diagnosis:
    """Return what an answer means; `text` holds the enhanced code where there is one.

    The first entry of the preset (what it inherits included), then of `generic`, with this
    phase, code and text; then the same without codes; then an enhanced code that one entry
    alone carries; then what the standards say of it, which also comes before an entry for
    any text; then the bare code. A sign-in refused without a clear reason is at the wrong
    server when the provider serves its own domains only and `address` is at none of them. What
    is said of a password is meant of the access token where the account has `oauth2`.
    """
    said = " ".join(text.casefold().split())
    rows = [*provider.errors]
    if provider.id != "generic" and "generic" in catalogue:
        rows += catalogue["generic"].errors
    standard = find_standard(text) if phase in OF_MAIL else None
    here = [row for row in rows if _is_in_phase(row, phase) and (row.texts or standard is None)]
    found = (
        _first(here, lambda row: _has_code(row, str(code)) and _has_text(row, said))
        or _first(here, lambda row: bool(row.texts) and _has_text(row, said))
        or _by_enhanced(rows, here, text)
    )
    cause = found.cause if found else standard or _bare(phase, str(code))
    if oauth2 and phase in SIGN_IN and cause in OF_PASSWORDS:
        cause = "oauth-rejected"
    if phase in SIGN_IN and cause in UNDECIDED and _is_stranger(provider, address):
        cause = "wrong-server"
    return explain(cause, provider, listed=bool(found or standard))


def explain(cause: str, provider: Provider, *, listed: bool = True) -> Diagnosis:
    """Return the sentences of a cause, with the preset's own advice where it has some."""
    known = CAUSES[cause]
    fix = provider.fixes.get(cause, known.fix)
    return Diagnosis(
        cause=cause,
        meaning=known.meaning,
        fix=fix and fix.removeprefix(known.meaning).lstrip(),  # some presets begin with it
        whose_turn=known.turn,
        listed=listed,
    )


def _first(rows: Iterable[ErrorRow], fits: Callable[[ErrorRow], bool]) -> ErrorRow | None:
    return next((row for row in rows if fits(row)), None)


def _is_in_phase(row: ErrorRow, phase: str) -> bool:
    if row.on == phase:
        return True
    if row.on == "login":  # IMAP or SMTP sign-in
        return phase in SIGN_IN
    protocol, _, rest = row.on.partition("-")
    return rest == "any" and phase.startswith(f"{protocol}-")


def _has_code(row: ErrorRow, code: str) -> bool:
    return any(
        code == wanted or (wanted == "5" and re.fullmatch(r"5\d\d", code) is not None)
        for wanted in row.codes
    )


def _has_text(row: ErrorRow, said: str) -> bool:
    return not row.texts or any(text in said for text in row.texts)


def _by_enhanced(rows: list[ErrorRow], here: list[ErrorRow], text: str) -> ErrorRow | None:
    """Return the entry of this phase that alone carries the enhanced code, if there is one."""
    given = ENHANCED.match(text)
    if given is None:
        return None
    carriers = [row for row in rows if given.group(1) in row.enhanced]
    return carriers[0] if len(carriers) == 1 and carriers[0] in here else None


def _bare(phase: str, code: str) -> str:
    if phase == "imap-login" and code == "NO":
        return "login-ambiguous"
    if phase == "token":
        return "oauth-rejected"
    return "refused" if code.startswith("5") or code in ("NO", "BAD") else "deferred"


def _is_stranger(provider: Provider, address: str | None) -> bool:
    if provider.own_domains or not provider.domains or not address or "@" not in address:
        return False
    return address.rpartition("@")[2].casefold() not in provider.domains
