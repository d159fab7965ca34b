"""Tries an account from the command line, and shows each step with its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gateway.cli.opening import Opened
from gateway.cli.output import print_line, waiting
from gateway.cli.refusal import Refusal
from gateway.mail.address import parse_address
from gateway.mail.delivery import Lane
from gateway.mail.tenant import Mailbox, Tenant, Upstream
from gateway.providers.catalogue import load_catalogue

if TYPE_CHECKING:  # they bring Twisted, which only a verb that reaches out pays for
    from gateway.app.proving import Tried
    from gateway.delivery.probe import Step
    from gateway.delivery.upstream import Account
    from gateway.mailbox.ledger import Page


def probe_lane(gateway: Opened, lane: Lane, *, sender: str) -> list[Step]:
    """Return the steps of trying a lane's account as `sender`, empty for the null sender.

    Raises Refusal when there is nothing to sign in with.
    """
    from gateway.app import reactor  # noqa: PLC0415 - see above
    from gateway.app.accounts import Accounts  # noqa: PLC0415
    from gateway.app.foundation import lay_foundation  # noqa: PLC0415
    from gateway.app.tokens import AccessTokens  # noqa: PLC0415

    async def work() -> list[Step]:
        base = await lay_foundation(gateway.settings, gateway.store)
        tokens = AccessTokens(base)
        accounts = Accounts(base.settings, base.directory, base.catalogue, tokens)
        account = await accounts.of_lane(lane, sender=sender)
        await tokens.close()
        if account is None:
            raise Refusal(
                f"{lane.tenant} {lane.name} has no password yet: gateway apply gives it one,"
                " or gateway mailbox reauth where it is a mailbox's own account"
            )
        return await probe_account(gateway, account, sender=sender)

    with waiting(f"trying {lane.name} of {lane.tenant}"):
        return reactor.ask(work)


def probe_upstream(
    gateway: Opened, upstream: Upstream, *, sender: str, secret: str | None
) -> list[Step]:
    """Return the steps of trying an upstream that is not saved yet; raises Refusal."""
    from gateway.app import reactor  # noqa: PLC0415 - see above
    from gateway.app.accounts import Accounts  # noqa: PLC0415
    from gateway.app.directory import Directory  # noqa: PLC0415

    directory = Directory(gateway.store, gateway.load_seal())
    accounts = Accounts(gateway.settings, directory, load_catalogue())
    account = accounts.of_upstream(upstream, sender=sender, secret=secret)
    if account is None:
        raise Refusal(f"{upstream.provider} does not say by which server it sends: give --host")
    with waiting(f"trying {account.endpoint.host}"):
        return reactor.ask(lambda: probe_account(gateway, account, sender=sender))


def try_mailbox(gateway: Opened, tenant: Tenant, mailbox: Mailbox, *, secret: str) -> Tried:
    """Return what came of a mailbox's code, tried both ways; raises Refusal."""
    from gateway.app import reactor  # noqa: PLC0415 - see above
    from gateway.app.accounts import Accounts  # noqa: PLC0415
    from gateway.app.foundation import lay_foundation  # noqa: PLC0415
    from gateway.app.proving import MailboxTrial  # noqa: PLC0415

    async def work() -> Tried:
        base = await lay_foundation(gateway.settings, gateway.store)
        accounts = Accounts(gateway.settings, base.directory, base.catalogue)
        trial = MailboxTrial(base, accounts)
        try:
            return await trial.run(tenant, mailbox, secret=secret)
        except ValueError as error:
            raise Refusal(str(error)) from error
        finally:
            trial.close()

    with waiting(f"signing in to {mailbox.address}"):
        return reactor.ask(work)


def compare_mailbox(gateway: Opened, tenant: Tenant, mailbox: Mailbox) -> Page:
    """Return what the server of a mailbox has against what we have; raises Refusal."""
    from gateway.app import reactor  # noqa: PLC0415 - see above
    from gateway.app.foundation import lay_foundation  # noqa: PLC0415
    from gateway.app.ledger import compare  # noqa: PLC0415
    from gateway.net.unreachable import Unreachable  # noqa: PLC0415

    async def work() -> Page | str:
        try:
            base = await lay_foundation(gateway.settings, gateway.store)
            return await compare(base, tenant, mailbox)
        except (ValueError, Unreachable) as error:
            raise Refusal(str(error)) from error

    with waiting(f"comparing {mailbox.address}"):
        found = reactor.ask(work)
    if isinstance(found, str):
        raise Refusal(f"{mailbox.address}: {found}")
    return found


async def probe_account(gateway: Opened, account: Account, *, sender: str) -> list[Step]:
    """Return the steps of trying an account on the running loop."""
    from gateway.delivery.probe import probe  # noqa: PLC0415 - see above

    return await probe(
        account,
        load_catalogue(),
        return_path=parse_address(sender) if sender else None,
        local_name=gateway.settings.server.hostname,
    )


def find_return_path(tenant: Tenant, upstream: str) -> str:
    """Return an address that sends by an upstream, empty when no sender does yet."""
    for address, sender in tenant.senders.items():
        if sender.upstream == upstream:
            return address.replace("*@", "postmaster@")
    return ""


def as_document(steps: Sequence[Step]) -> dict[str, Any]:
    """Return the steps as they stand in JSON; cause, meaning and fix are those that failed."""
    failed = None if steps[-1].is_ok else steps[-1]
    return {
        "ok": failed is None,
        "steps": [
            {
                "step": one.name,
                "ok": one.is_ok,
                "seconds": round(one.seconds, 3),
                "said": one.said,
            }
            for one in steps
        ],
        "cause": failed.cause if failed else None,
        "meaning": failed.meaning if failed else None,
        "fix": failed.fix if failed else None,
    }


def print_steps(steps: Sequence[Step]) -> None:
    """Print a step a line, then what the one that failed means and what to do."""
    width = max(5, *(len(one.name) + 1 for one in steps))
    for one in steps:
        word, style = ("ok", "") if one.is_ok else ("FAILED", "red")
        said = " ".join(one.said.split())
        print_line(f"{one.name:<{width}}{one.seconds:7.3f} s  {word:<7}{said}", style=style)
    if not steps[-1].is_ok:
        print_line(f"cause: {steps[-1].meaning} ({steps[-1].cause})")
        print_line(f"fix:   {steps[-1].fix}")
