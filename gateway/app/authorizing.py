"""A mailbox's owner lets the gateway in: the page to say yes on, and what comes back from it.

An answer is taken once, with the state that it was asked with, and its permission is kept
only when it has opened the mailbox by IMAP and SMTP. Where a command connects a mailbox that
is not kept yet, the server that the browser comes back to leaves the answer for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.app.accounts import Accounts
from gateway.app.foundation import Foundation
from gateway.app.proving import MailboxTrial, Tried
from gateway.app.tokens import AccessTokens
from gateway.mail.tenant import Mailbox, Tenant
from gateway.net.oauth import TokenRefused, Tokens, authorization_url, make_verifier
from gateway.net.unreachable import Unreachable
from gateway.providers.diagnosis import diagnose
from gateway.store import authorizations, grants
from gateway.store.authorizations import Pending
from gateway.web.authorize import Told, redirect_uri

AGAIN = "gateway mailbox authorize {address} makes a new link."
USED = "This link was used already, has run out, or was not made here."
WAIT = "Wait, then try again."
DENIED = "access_denied"  # RFC 6749 §4.1.2.1
SAID_NO = f'The provider\'s page was answered with no. The provider said: "{DENIED}"'
NO_REFRESH = "The provider gave no refresh token: the permission would end within the hour."
MEND_REFRESH = (
    "Take the gateway's access away in the account's settings at the provider, then let it in"
    " again."
)


@dataclass(frozen=True, slots=True)
class Begun:
    """The page to say yes on, and the state that its answer comes back with."""

    url: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an answer: the steps that were tried, or why none was."""

    address: str | None = None
    meaning: str | None = None
    fix: str | None = None
    tried: Tried | None = None
    handed_on: bool = False  # to the command that awaits it, and that tells more
    granted: Tokens | None = None  # what a command that awaited it is to keep

    @property
    def is_ok(self) -> bool:
        """Whether the permission is kept."""
        return self.tried is not None and self.tried.is_ok


class Authorizing:
    """Begins and ends authorizations; `authorized` is called once one is kept."""

    def __init__(
        self,
        base: Foundation,
        tokens: AccessTokens,
        *,
        authorized: Callable[[], None] = lambda: None,
    ) -> None:
        self._base = base
        self._tokens = tokens
        self._accounts = Accounts(base.settings, base.directory, base.catalogue, tokens)
        self._authorized = authorized

    async def begin(self, tenant: str, mailbox: Mailbox, *, awaited: bool = False) -> Begun:
        """Return the page on which the owner of `mailbox` says yes; its state is kept.

        `awaited` by a command: what comes back is left for `answer` and its `finish`.
        """
        state, verifier = secrets.token_urlsafe(32), make_verifier()
        pending = Pending(
            tenant=tenant,
            mailbox=mailbox.address,
            verifier=verifier,
            redirect_uri=redirect_uri(self._base.settings.console.public_url),
            awaited=awaited,
        )
        await self._base.store.write(
            authorizations.begin, self._base.seal, pending, state=state, now=_now()
        )
        url = authorization_url(
            await self._tokens.client(tenant, mailbox),
            redirect_uri=pending.redirect_uri,
            state=state,
            verifier=verifier,
            address=mailbox.username or mailbox.address,
        )
        return Begun(url, state)

    async def finish(self, answer: Mapping[str, str], *, awaited: bool = False) -> Outcome:
        """Return what came of what the provider sent back (RFC 6749 §4.1.2).

        `awaited`: by the command that began it, which keeps what was granted with the mailbox.
        """
        store, seal, state = self._base.store, self._base.seal, answer.get("state", "")
        pending = await store.write(
            authorizations.take, seal, state=state, awaited=awaited, now=_now()
        )
        if pending is None and not awaited:
            left = await store.write(
                authorizations.leave, seal, answer, state=state, now=_now()
            )
            if left is not None:
                return Outcome(address=left, handed_on=True)
        tenant = self._base.directory.find_tenant(pending.tenant) if pending else None
        mailbox = tenant.mailboxes.get(pending.mailbox) if tenant and pending else None
        if pending is None or tenant is None or mailbox is None:
            return Outcome(meaning=USED, fix=AGAIN.format(address="ADDRESS"))
        if answer.get("error") == DENIED:
            fix = f"Try again, and say yes there as {mailbox.address}."
            return Outcome(address=mailbox.address, meaning=SAID_NO, fix=fix)
        try:
            granted = await self._grant(mailbox, pending, answer)
            if isinstance(granted, TokenRefused):
                return self._refused(mailbox, granted)
            return await self._prove(tenant, mailbox, granted, keep=not awaited)
        except (Unreachable, ValueError) as error:
            return Outcome(address=mailbox.address, meaning=str(error), fix=WAIT)

    async def try_without_person(
        self, tenant: Tenant, mailbox: Mailbox, *, awaited: bool = False
    ) -> Outcome:
        """Return whether a program's own credentials open the mailbox.

        `awaited`: by a command that keeps what was granted, with the mailbox.
        """
        try:
            ask = self._tokens.ask if awaited else self._tokens.get
            granted = await ask(tenant.id, mailbox)
            if isinstance(granted, TokenRefused):
                return self._refused(mailbox, granted)
            new = granted if isinstance(granted, Tokens) else None
            token = new.access if new else str(granted)
            tried = await self._try(tenant, mailbox, token)
            return Outcome(address=mailbox.address, tried=tried, granted=new)
        except (Unreachable, ValueError) as error:
            return Outcome(address=mailbox.address, meaning=str(error), fix=WAIT)

    async def _grant(
        self, mailbox: Mailbox, pending: Pending, answer: Mapping[str, str]
    ) -> Tokens | TokenRefused:
        if code := answer.get("code"):
            return await self._tokens.exchange(mailbox, pending, code=code)
        said = (answer.get("error", DENIED), answer.get("error_description", ""))
        return TokenRefused(400, ": ".join(one for one in said if one))

    async def _prove(
        self, tenant: Tenant, mailbox: Mailbox, granted: Tokens, *, keep: bool
    ) -> Outcome:
        if granted.refresh is None:
            return Outcome(address=mailbox.address, meaning=NO_REFRESH, fix=MEND_REFRESH)
        tried = await self._try(tenant, mailbox, granted.access)
        if tried.is_ok and keep:
            await self._base.store.write(
                grants.authorize,
                self._base.seal,
                tenant.id,
                mailbox.address,
                granted,
                now=_now(),
            )
            self._authorized()
        return Outcome(address=mailbox.address, tried=tried, granted=None if keep else granted)

    async def _try(self, tenant: Tenant, mailbox: Mailbox, token: str) -> Tried:
        trial = MailboxTrial(self._base, self._accounts)
        try:
            return await trial.run(tenant, mailbox, secret=token)
        finally:
            trial.close()

    def _refused(self, mailbox: Mailbox, refused: TokenRefused) -> Outcome:
        found = diagnose(
            self._base.catalogue[mailbox.provider],
            self._base.catalogue,
            phase="token",
            code=refused.status,
            text=refused.text,
        )
        said = f'{found.meaning} The provider said: "{refused.text}"'
        return Outcome(address=mailbox.address, meaning=said, fix=found.fix)


def as_page(outcome: Outcome) -> Told:
    """Return what a person in front of a browser is told of it."""
    address = outcome.address or "The mailbox"
    if outcome.handed_on:
        return Told(
            ok=True,
            title=f"{address}: your answer was taken",
            sentences=("The command that connects it goes on. You may close this page.",),
        )
    if outcome.is_ok:
        return Told(
            ok=True,
            title=f"{address} is connected",
            sentences=("It was opened both ways. You may close this page.",),
        )
    failed = outcome.tried.steps[-1] if outcome.tried else None
    meaning = failed.meaning if failed else outcome.meaning
    fix = failed.fix if failed else outcome.fix
    return Told(
        ok=False,
        title=f"{address} was not connected",
        sentences=tuple(one for one in (meaning, fix) if one),
    )


def _now() -> datetime:
    return datetime.now(UTC)
