"""`gateway mailbox`: connect, list, answers, pause, resume, ledger, replay, delete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from gateway.cli.mailbox_connect import connect
from gateway.cli.mailbox_ledger import ledger, replay
from gateway.cli.mailbox_state import answers, delete, pause, resume
from gateway.cli.opening import Config, Json, OfTenant, Verbs, opened
from gateway.cli.output import print_json, print_next, print_table, stamp
from gateway.mail.tenant import Mailbox
from gateway.providers.catalogue import Provider, load_catalogue
from gateway.store import tenants
from gateway.store.states import MailboxState, mailbox_states

UNTRIED = "it was not tried yet"
UNTRIED_FIX = "gateway serve"


def list_(*, tenant: OfTenant = None, config: Config = None, as_json: Json = False) -> None:
    """List the mailboxes with their health, and what to do about it."""
    catalogue = load_catalogue()
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        known = gateway.store.read_now(tenants.load_all)
        states = gateway.store.read_now(mailbox_states)
    rows = [
        row_of(one.id, mailbox, states.get(mailbox.address), catalogue=catalogue)
        for one in known.values()
        if tenant in (None, one.id)
        for mailbox in one.mailboxes.values()
    ]
    if as_json:
        print_json(rows)
        return
    columns = ["address", "tenant", "provider", "state", "answers", "expires_on", "reason"]
    print_table(
        [column.replace("_", " ") for column in columns],
        ([row[column] for column in columns] for row in rows),
        empty="there are no mailboxes yet: gateway mailbox connect TENANT",
    )
    print_next(*dict.fromkeys(row["fix"] for row in rows if row["fix"]))


def row_of(
    tenant: str,
    mailbox: Mailbox,
    state: MailboxState | None,
    *,
    catalogue: Mapping[str, Provider],
) -> dict[str, Any]:
    """Return a mailbox as `mailbox list --json` shows it.

    One that was never tried is suspect: nothing proves yet that its sign-in works.
    """
    return {
        "address": mailbox.address,
        "tenant": tenant,
        "provider": mailbox.provider,
        "state": state.state if state else "suspect",
        "answers": mailbox.answers,
        "paused": state.paused if state else False,
        "expires_on": _expires_on(mailbox, catalogue.get(mailbox.provider)),
        "last_fetched_at": stamp(state.last_fetched_at) if state else None,
        "reason": state.reason if state else UNTRIED,
        "fix": state.fix if state else UNTRIED_FIX,
    }


VERBS: Verbs = {
    "connect": connect,
    "list": list_,
    "answers": answers,
    "pause": pause,
    "resume": resume,
    "ledger": ledger,
    "replay": replay,
    "delete": delete,
}


def _expires_on(mailbox: Mailbox, provider: Provider | None) -> date | None:
    if mailbox.issued is None or provider is None or not provider.login.secret_life_days:
        return None
    return mailbox.issued + timedelta(days=provider.login.secret_life_days)
