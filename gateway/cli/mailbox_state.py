"""`gateway mailbox answers`, `pause`, `resume`, `delete`: what a person does to a mailbox."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.asking import agree
from gateway.cli.opening import Config, Force, Json, Opened, Yes, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next
from gateway.cli.refusal import Refusal, read_address, refuse_unknown
from gateway.mail.tenant import Mailbox, Tenant
from gateway.store import mailboxes, tenants

Address = Annotated[str, typer.Argument(metavar="ADDRESS", show_default=False)]
SWITCH = frozenset({"on", "off"})


def answers(
    address: Address,
    switch: Annotated[str, typer.Argument(metavar="on|off", show_default=False)],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Switch a mailbox's automatic answers on or off; its mail goes on to the helpdesk."""
    if address in SWITCH:  # "answers on ADDRESS" says the same
        address, switch = switch, address
    if switch not in SWITCH:
        raise Refusal(f"say on or off: gateway mailbox answers {address} on")
    is_on = switch == "on"
    with opened(config) as gateway:
        tenant, mailbox = find_mailbox(gateway, address)
        gateway.store.write_now(
            mailboxes.set_answers, tenant.id, mailbox.address, answers=is_on
        )
    shown = {"answers": is_on}
    said = "is answered automatically where a policy says so" if is_on else "is not answered"
    _tell(tenant, mailbox, shown, f"mail to it {said}", "gateway policy list", as_json=as_json)


def pause(address: Address, *, config: Config = None, as_json: Json = False) -> None:
    """Sign in to a mailbox no more; what comes meanwhile is fetched when it is resumed."""
    with opened(config) as gateway:
        tenant, mailbox = find_mailbox(gateway, address)
        gateway.store.write_now(mailboxes.pause, mailbox.address, now=utc_now())
    step = f"gateway mailbox resume {mailbox.address}"
    _tell(tenant, mailbox, {"paused": True}, "paused", step, as_json=as_json)


def resume(address: Address, *, config: Config = None, as_json: Json = False) -> None:
    """Sign in to a mailbox again at once, a dead one too."""
    with opened(config) as gateway:
        tenant, mailbox = find_mailbox(gateway, address)
        due = gateway.store.write_now(
            mailboxes.resume, tenant.id, mailbox.address, now=utc_now()
        )
    said = f"watched again, {counted(due, 'delivery', plural='deliveries')} due now"
    shown = {"paused": False, "due": due}
    _tell(tenant, mailbox, shown, said, "gateway mailbox list", as_json=as_json)


def delete(
    address: Address,
    *,
    force: Force = False,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove a mailbox and its code; what was fetched stays for the viewer."""
    with opened(config) as gateway:
        tenant, mailbox = find_mailbox(gateway, address)
        agree(f"Remove {mailbox.address} of {tenant.id}?", yes=yes)
        gateway.store.write_now(
            mailboxes.delete, tenant.id, mailbox.address, force=force, now=utc_now()
        )
    step = f"gateway mailbox connect {tenant.id}"
    _tell(tenant, mailbox, {"deleted": True}, "removed", step, as_json=as_json)


def find_mailbox(gateway: Opened, address: str) -> tuple[Tenant, Mailbox]:
    """Return a mailbox and whose it is; raises Refusal with the nearest address."""
    wanted = read_address(address).key
    known = gateway.store.read_now(tenants.load_all)
    for tenant in known.values():
        if wanted in tenant.mailboxes:
            return tenant, tenant.mailboxes[wanted]
    addresses = [one for tenant in known.values() for one in tenant.mailboxes]
    make = "gateway mailbox connect TENANT"
    raise refuse_unknown(address, addresses, thing="mailbox", make=make)


def _tell(
    tenant: Tenant,
    mailbox: Mailbox,
    shown: dict[str, Any],
    said: str,
    step: str,
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json({"address": mailbox.address, "tenant": tenant.id, **shown})
        return
    print_line(f"{mailbox.address}: {said}")
    print_next(step)
