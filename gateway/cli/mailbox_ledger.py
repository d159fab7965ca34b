"""`gateway mailbox ledger` and `replay`: nothing is lost, and what failed is tried again."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.mailbox_state import Address, find_mailbox
from gateway.cli.opening import Config, Json, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next
from gateway.cli.probing import compare_mailbox
from gateway.cli.refusal import Refusal
from gateway.store import aside


def ledger(address: Address, *, config: Config = None, as_json: Json = False) -> None:
    """Compare a mailbox with what was fetched from it; what is missing is fetched now."""
    with opened(config) as gateway:
        tenant, mailbox = find_mailbox(gateway, address)
        page = compare_mailbox(gateway, tenant, mailbox)
    if as_json:
        counts = {"server": page.server, "known": page.known}
        found = {"missing": page.missing, "fetched": page.fetched}
        print_json({"address": mailbox.address, **counts, **found})
        return
    print_line(
        f"{mailbox.address}: {page.server} on the server since it was connected, {page.known}"
        f" known, {page.missing} missing, {page.fetched} of them fetched now",
        style="green" if page.missing == page.fetched else "red",
    )
    print_next(f"gateway log search {mailbox.address}")


def replay(
    what: Annotated[str, typer.Argument(metavar="ADDRESS|ID", show_default=False)],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Try again what was set aside: one message, or all of a mailbox. It is not answered."""
    with opened(config) as gateway:
        if "@" in what:
            _, mailbox = find_mailbox(gateway, what)
            ids = gateway.store.read_now(aside.of_mailbox, mailbox.address)
        else:
            ids = [what]
        for id_ in ids:
            if not gateway.store.write_now(aside.replay, id_, now=utc_now()):
                raise Refusal(f"no message '{id_}' is set aside; gateway log search finds ids")
    if as_json:
        print_json({"replayed": ids})
        return
    tried = f"{counted(len(ids), 'message')} tried again" if ids else "nothing is set aside"
    print_line(f"{what}: {tried}")
    print_next(*(f"gateway log trace {id_}" for id_ in ids[:3]))
