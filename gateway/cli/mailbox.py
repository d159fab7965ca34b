"""`gateway mailbox`: connect, authorize, list, answers, reauth and the others joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from gateway.cli.mailbox_authorize import authorize
from gateway.cli.mailbox_connect import connect
from gateway.cli.mailbox_ledger import ledger, replay
from gateway.cli.mailbox_reauth import reauth
from gateway.cli.mailbox_state import answers, delete, pause, resume
from gateway.cli.opening import Config, Json, OfTenant, Opened, Verbs, opened, utc_now
from gateway.cli.output import print_json, print_next, print_table, stamp
from gateway.cli.readiness import NOT_RUNNING, ask_server
from gateway.mail.tenant import Mailbox, Tenant
from gateway.mailbox.health import Health
from gateway.mailbox.renewal import expires_on
from gateway.mailbox.sending import died_at, refused_lane_of, say_refused
from gateway.providers.catalogue import Provider, load_catalogue
from gateway.store import codes, lanes, tenants
from gateway.store.codes import CodeDays
from gateway.store.lanes import LaneState
from gateway.store.states import MailboxState, mailbox_states

UNTRIED = "it was not tried yet"
UNTRIED_FIX = "gateway serve"
HELD_BACK_FIX = "gateway policy check"  # it runs, and fetches nothing that it cannot judge
NEWER_REFUSED = "the code that a file brought was refused; the one before it is in use"


def list_(*, tenant: OfTenant = None, config: Config = None, as_json: Json = False) -> None:
    """List the mailboxes with their health, and what to do about it."""
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        known = gateway.store.read_now(tenants.load_all)
        rows = [row for row in rows_of(gateway, known) if tenant in (None, row["tenant"])]
    if as_json:
        print_json(rows)
        return
    columns = ["address", "tenant", "provider", "state", "answers", "expires_on", "reason"]
    print_table(
        [column.replace("_", " ") for column in columns],
        ([row[column] for column in columns] for row in rows),
        empty="there are no mailboxes yet: gateway mailbox connect TENANT",
    )
    dead = [
        f"gateway mailbox reauth {row['address']}"
        for row in rows
        if row["state"] == "dead"
        # else it has no code, and its fix names what it needs
        and not known[row["tenant"]].mailboxes[row["address"]].oauth2
    ]
    print_next(*dict.fromkeys(row["fix"] for row in rows if row["fix"]), *dead)


def rows_of(gateway: Opened, known: Mapping[str, Tenant]) -> list[dict[str, Any]]:
    """Return every mailbox of the `known` tenants as `mailbox list --json` shows it."""
    catalogue = load_catalogue()
    states = gateway.store.read_now(mailbox_states)
    days = gateway.store.read_now(codes.days)
    refused = gateway.store.read_now(lanes.refused)
    dead_after = gateway.settings.mailboxes.dead_after
    boxes = [(one, box) for one in known.values() for box in one.mailboxes.values()]
    untried_fix = UNTRIED_FIX
    if any(mailbox.address not in states for _, mailbox in boxes):
        runs = ask_server(gateway.settings.console.address) != [NOT_RUNNING]
        untried_fix = HELD_BACK_FIX if runs else UNTRIED_FIX
    return [
        row_of(
            tenant.id,
            mailbox,
            _with_sending(
                states.get(mailbox.address),
                refused_lane_of(tenant, mailbox, refused),
                dead_after=dead_after,
            ),
            provider=catalogue.get(mailbox.provider),
            code=days.get(mailbox.address),
            untried_fix=untried_fix,
        )
        for tenant, mailbox in boxes
    ]


def _with_sending(
    state: MailboxState | None, lane: LaneState | None, *, dead_after: timedelta
) -> MailboxState | None:
    """Return the state with what is known of sending, where reading has nothing to tell."""
    if state is None or lane is None or state.state != Health.OK:
        return state
    is_dead = died_at(lane, dead_after=dead_after, now=utc_now())
    health = Health.DEAD if is_dead else Health.SUSPECT
    return replace(state, state=health.value, reason=say_refused(lane), fix=lane.fix)


def row_of(
    tenant: str,
    mailbox: Mailbox,
    state: MailboxState | None,
    *,
    provider: Provider | None,
    code: CodeDays | None = None,
    untried_fix: str = UNTRIED_FIX,
) -> dict[str, Any]:
    """Return a mailbox as `mailbox list --json` shows it.

    One that was never tried is suspect: nothing proves yet that its sign-in works.
    """
    reason, fix = (state.reason, state.fix) if state else (UNTRIED, untried_fix)
    if code and code.is_newer_refused and reason is None:
        reason = NEWER_REFUSED
        fix = f"mend that file and apply again, or gateway mailbox reauth {mailbox.address}"
    if state and state.paused:
        reason, fix = "paused by a person", f"gateway mailbox resume {mailbox.address}"
    return {
        "address": mailbox.address,
        "tenant": tenant,
        "provider": mailbox.provider,
        "state": state.state if state else "suspect",
        "answers": mailbox.answers,
        "paused": state.paused if state else False,
        "expires_on": expires_on(
            provider.login.secret_life_days if provider else 0,
            issued=mailbox.issued,
            entered_on=code.entered_on if code else None,
            renewed_on=code.renewed_on if code else None,
        ),
        "last_fetched_at": stamp(state.last_fetched_at) if state else None,
        "reason": reason,
        "fix": fix,
    }


VERBS: Verbs = {
    "connect": connect,
    "authorize": authorize,
    "list": list_,
    "answers": answers,
    "pause": pause,
    "resume": resume,
    "reauth": reauth,
    "ledger": ledger,
    "replay": replay,
    "delete": delete,
}
