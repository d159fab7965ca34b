"""`gateway upstream`: add, test, list, pause, resume."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from gateway.cli.opening import Config, Json, OfTenant, Opened, TenantId, Verbs, opened, utc_now
from gateway.cli.output import counted, print_json, print_line, print_next, print_table, stamp
from gateway.cli.probing import as_document, find_return_path, print_steps, probe_lane
from gateway.cli.refusal import refuse_unknown
from gateway.cli.upstream_add import add
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant import Upstream
from gateway.store import tenants
from gateway.store.lanes import LaneState, lane_states, pause_lane, resume_lane

Name = Annotated[str, typer.Argument(metavar="UPSTREAM", show_default=False)]


def try_out(
    tenant: TenantId, upstream: Name, *, config: Config = None, as_json: Json = False
) -> None:
    """Try an upstream step by step, as far as MAIL; nothing is sent."""
    with opened(config) as gateway:
        lane = _find_lane(gateway, tenant, upstream)
        sender = find_return_path(gateway.find_tenant(tenant), upstream)
        steps = probe_lane(gateway, lane, sender=sender)
        rests = any(
            one.paused_by or one.rest_reason
            for one in gateway.store.read_now(lane_states)
            if one.lane == lane
        )
    if as_json:
        print_json({"tenant": tenant, "name": upstream, **as_document(steps)})
    else:
        print_steps(steps)
    if not steps[-1].is_ok:
        raise typer.Exit(1)
    if not as_json:
        print_line(f"{tenant} {upstream}: mail may leave", style="green")
        resume_it = f"gateway upstream resume {tenant} {upstream}"
        print_next(resume_it if rests else f"gateway send --tenant {tenant} --to ADDRESS")


def list_(*, tenant: OfTenant = None, config: Config = None, as_json: Json = False) -> None:
    """List the upstreams, and which are paused and why."""
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        known = gateway.store.read_now(tenants.load_all)
        states = {one.lane: one for one in gateway.store.read_now(lane_states)}
    rows = [
        _row(one.id, upstream, states.get(Lane(one.id, LaneKind.UPSTREAM, upstream.name)))
        for one in known.values()
        if tenant in (None, one.id)
        for upstream in one.upstreams.values()
    ]
    if as_json:
        print_json(rows)
        return
    columns = ["tenant", "name", "provider", "state", "reason"]
    print_table(
        columns,
        ([row[column] for column in columns] for row in rows),
        empty="there are no upstreams yet: gateway upstream add TENANT",
    )
    print_next(*dict.fromkeys(str(row["fix"]) for row in rows if row["fix"]))


def pause(
    tenant: TenantId,
    upstream: Name,
    *,
    reason: Annotated[str, typer.Option(help="Shown with what waits.")] = "paused by a person",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Let nothing leave by an upstream; its mail waits and does not grow old."""
    fix = f"gateway upstream resume {tenant} {upstream}"
    with opened(config) as gateway:
        lane = _find_lane(gateway, tenant, upstream)
        gateway.store.write_now(
            pause_lane, lane, by="person", reason=reason, fix=fix, now=utc_now()
        )
    if as_json:
        print_json({"tenant": tenant, "name": upstream, "state": "paused"})
        return
    print_line(f"{tenant} {upstream}: paused, its mail waits")
    print_next(fix)


def resume(
    tenant: TenantId, upstream: Name, *, config: Config = None, as_json: Json = False
) -> None:
    """Let mail leave by an upstream again; what waits is due at once."""
    with opened(config) as gateway:
        lane = _find_lane(gateway, tenant, upstream)
        due = gateway.store.write_now(resume_lane, lane, now=utc_now())
    if as_json:
        print_json({"tenant": tenant, "name": upstream, "state": "open", "due": due})
        return
    waiting = counted(due, "delivery", plural="deliveries")
    print_line(f"{tenant} {upstream}: open, {waiting} due now")
    print_next(f"gateway queue list --tenant {tenant}")


VERBS: Verbs = {"add": add, "test": try_out, "list": list_, "pause": pause, "resume": resume}


def _find_lane(gateway: Opened, tenant: str, upstream: str) -> Lane:
    known = gateway.find_tenant(tenant).upstreams
    if upstream not in known:
        make = f"gateway upstream add {tenant}"
        raise refuse_unknown(upstream, known, thing="upstream", make=make)
    return Lane(tenant, LaneKind.UPSTREAM, upstream)


def _row(
    tenant: str, upstream: Upstream, state: LaneState | None
) -> dict[str, str | float | None]:
    if state is not None and not state.is_shut(utc_now()):
        state = replace(state, paused_by=None, reason=None, fix=None, since=None, until=None)
    fix = state.fix if state else None
    if state and not state.paused_by and state.rest_reason:
        fix = f"gateway upstream test {tenant} {upstream.name}"
    return {
        "tenant": tenant,
        "name": upstream.name,
        "provider": upstream.provider,
        "host": upstream.host,
        "state": "paused" if state and state.paused_by else "open",
        "paused_by": state.paused_by if state else None,
        "since": stamp(state.since) if state else None,
        "until": stamp(state.until) if state else None,
        "reason": (state.reason or state.rest_reason) if state else None,
        "fix": fix,
        "rate_per_minute": state.rate_per_minute if state else None,
    }
