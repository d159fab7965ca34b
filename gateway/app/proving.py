"""A code is tried both ways, IMAP and SMTP, before it is kept or takes another's place."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.app.accounts import Accounts
from gateway.app.foundation import Foundation
from gateway.delivery.probe import Step, probe
from gateway.mail.address import parse_address
from gateway.mail.tenant import Mailbox, Tenant
from gateway.mailbox.account import Account, account_of
from gateway.mailbox.connect import Begun, Proof, prove
from gateway.net.imap import ImapPools


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The steps up to the first that failed; nothing was sent, nothing was fetched."""

    steps: tuple[Step, ...]
    messages: int  # in the first folder
    junk: str | None  # the folder's name
    begun: Begun | None  # where fetching begins
    sends: bool  # False: nothing leaves by this mailbox, so only IMAP was tried

    @property
    def is_ok(self) -> bool:
        """Whether the code opened everything that it has to."""
        return self.steps[-1].is_ok


class MailboxTrial:
    """Tries codes; close it when done."""

    def __init__(self, base: Foundation, accounts: Accounts) -> None:
        self._base = base
        self._accounts = accounts
        self._pools = ImapPools.start(sign_in=2, work=2)

    async def run(self, tenant: Tenant, mailbox: Mailbox, *, secret: str) -> Tried:
        """Sign in by IMAP as far as SELECT, then by SMTP as far as MAIL.

        What a server says is a value. Raises ValueError, a sentence, when no server is known.
        """
        account = account_for(self._base, tenant, mailbox)
        catalogue = self._base.catalogue
        proof = await prove(account, secret, pools=self._pools, catalogue=catalogue)
        steps = as_steps(proof)
        sends = self._accounts.lane_of_mailbox(tenant, mailbox) is not None
        if sends and proof.failure is None:
            steps += await self._try_to_send(tenant, mailbox, secret=secret)
        return Tried(
            steps=tuple(steps),
            messages=proof.messages,
            junk=proof.junk,
            begun=proof.begun,
            sends=sends,
        )

    def close(self) -> None:
        """Try nothing more."""
        self._pools.close()

    async def _try_to_send(
        self, tenant: Tenant, mailbox: Mailbox, *, secret: str
    ) -> list[Step]:
        account = await self._accounts.of_mailbox(tenant, mailbox, secret=secret)
        if account is None:
            fix = "give it password_file, then gateway apply"
            raise ValueError(f"{mailbox.address}: its upstream has no password yet: {fix}")
        return await probe(
            account,
            self._base.catalogue,
            return_path=parse_address(mailbox.address),
            local_name=self._base.settings.server.hostname,
        )


def account_for(base: Foundation, tenant: Tenant, mailbox: Mailbox) -> Account:
    """Return how a mailbox is reached; raises ValueError when no server is known."""
    settings = base.settings
    trusted = settings.delivery.trusted_ca
    return account_of(
        tenant.id,
        mailbox,
        provider=base.catalogue[mailbox.provider],
        poll_every=settings.mailboxes.poll_every,
        trusted_ca=str(settings.resolve(trusted)) if trusted else None,
    )


def as_steps(proof: Proof) -> list[Step]:
    """Return what IMAP came to as steps of a probe."""
    failure = proof.failure
    steps = []
    for one in proof.steps:
        failed = failure if failure is not None and not one.passed else None
        steps.append(
            Step(
                name=f"imap {one.name}",
                seconds=one.seconds,
                said=failed.said if failed else "",
                cause=failed.cause if failed else None,
                meaning=failed.meaning if failed else None,
                fix=(failed.fix or "Wait, then try again.") if failed else None,
            )
        )
    return steps
