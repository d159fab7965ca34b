"""`gateway policy diff`: which stored messages the files as they are now treat otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import typer

from gateway.actions.answer import is_loop_mark
from gateway.actions.gate import LOOP_FIELD, received_by
from gateway.app.policies import limits_in
from gateway.cli.opening import Config, Json, OfTenant, Opened, opened
from gateway.cli.output import counted, print_json, print_line, print_next, stamp, waiting
from gateway.cli.refusal import Refusal
from gateway.config import Settings
from gateway.mail.inbound import Authenticity
from gateway.mail.message import Edit, parse_message
from gateway.mail.plan import Plan
from gateway.mail.tenant import Tenant
from gateway.policy.asked import Context
from gateway.policy.chain import Chain, after, run_chain
from gateway.policy.difference import find_difference, find_release
from gateway.policy.edits import foreign_marks, foreign_results
from gateway.policy.files import load_chain
from gateway.sieve.interface import CompileError
from gateway.store import judged, tenants
from gateway.store.judged import JudgedMessage


def diff(
    *,
    last: Annotated[int, typer.Option(min=1, help="Look at so many messages.")] = 500,
    tenant: OfTenant = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Judge stored messages again by the files as they are now; print those that differ.

    Nothing is done. Limits and duplicates count as not reached.
    """
    with opened(config) as gateway:
        gateway.check_tenant(tenant)
        ids = gateway.store.read_now(judged.last, tenant=tenant, limit=last)
        again = _Again(gateway, gateway.store.read_now(tenants.load_all))
        with waiting(f"judging {counted(len(ids), 'message')} again"):
            found = [again.judge(id_) for id_ in ids]
    looked = [one for one in found if one is not None]
    rows = [row for row in looked if row]
    if as_json:
        skipped = len(found) - len(looked)
        print_json({"looked_at": len(looked), "skipped": skipped, "different": rows})
        return
    for row in rows:
        print_line(f"{row['id']}  {row['at']}  {row['chain']} of {row['tenant']}", style="bold")
        print_line(f"  was: {', '.join(row['before'])}")
        print_line(f"  now: {', '.join(row['now'])}  {row['rule']}")
    print_line(f"{len(rows)} of {counted(len(looked), 'message')} would be treated otherwise")
    print_next(*[f"gateway policy explain {row['id']}" for row in rows[:1]])


@dataclass(slots=True)
class _Again:
    """The chains as they are now, each compiled once."""

    gateway: Opened
    tenants: dict[str, Tenant]
    _chains: dict[tuple[str, str], Chain] = field(default_factory=dict)

    def judge(self, id_: str) -> dict[str, Any] | None:
        """Return how a message differs, nothing of one that does not, None of one gone."""
        message = self.gateway.store.read_now(judged.load, id_)
        tenant = self.tenants.get(message.tenant) if message else None
        if message is None or tenant is None or not message.content:
            return None
        chain = self._chain(tenant, message.chain)
        context = self._context(message, tenant)
        found = find_difference(message.plan, self._plan(chain, message, context))
        if found is None:
            return {}
        return {
            "id": message.id,
            "tenant": message.tenant,
            "chain": message.chain,
            "at": stamp(message.accepted_at),
            "from": message.header_from,
            "before": list(found.before),
            "now": list(found.now),
            "rule": found.rule,
        }

    def _plan(self, chain: Chain, message: JudgedMessage, context: Context) -> Plan:
        """Return what the chain makes of a message; one that was released goes on as it did."""
        on_error = self.gateway.settings.policies.on_error
        limits = limits_in(self.gateway.settings)
        while True:
            plan = run_chain(
                chain, message.content, context, on_error=on_error, limits=limits
            ).plan
            hold = find_release(message.plan, plan)
            if hold is None or (rest := after(chain, hold)) is chain:
                return plan
            chain = rest
            context = replace(
                context,
                edits=hold.edits,
                flags=hold.flags,
                globals=hold.globals,
                done=hold.done,
            )

    def _chain(self, tenant: Tenant, kind: str) -> Chain:
        if (tenant.id, kind) not in self._chains:
            settings = self.gateway.settings
            self._chains[tenant.id, kind] = _load(settings, tenant, kind)
        return self._chains[tenant.id, kind]

    def _context(self, message: JudgedMessage, tenant: Tenant) -> Context:
        proven = message.authenticity or Authenticity(header_from=message.header_from)
        inbound = message.chain == "inbound"
        edits: tuple[Edit, ...] = ()
        rcpt_to = message.rcpt_to
        if inbound:
            parsed = parse_message(message.content)
            rcpt_to = tuple(received_by(parsed, tenant, one) for one in rcpt_to)
            mark = self.gateway.load_seal().mark
            marked = any(is_loop_mark(mark, one.value) for one in parsed.all(LOOP_FIELD))
            edits = (
                *foreign_marks(parsed, keep=[LOOP_FIELD] if marked else []),
                *foreign_results(parsed, proven.believed),
            )
        return Context(
            tenant=tenant,
            authenticity=proven,
            now=message.accepted_at,
            mail_from=(proven.mail_from or proven.header_from)
            if inbound
            else message.mail_from,
            rcpt_to=rcpt_to,
            route=tenant.route_of(next(iter(message.rcpt_to), "")),
            chain=message.chain,
            thread="reply" if message.is_reply else "new",
            conversation=message.conversation,
            hostname=self.gateway.settings.server.hostname,
            edits=edits,
        )


def _load(settings: Settings, tenant: Tenant, kind: str) -> Chain:
    directory = settings.resolve(settings.policies.directory)
    try:
        return load_chain(directory, tenant, kind, limits=limits_in(settings))
    except CompileError as error:
        first = error.diagnostics[0]
        sentence = f"{first.file}:{first.line}:{first.column}: {first.message}"
        raise Refusal(sentence, "the files must compile first: gateway policy check") from error
