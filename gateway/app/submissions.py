"""The outbound chain joined: a stamped submission -> as it is kept, or how it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway import events
from gateway.actions.event import write_event
from gateway.actions.marketplace import find_forbidden, find_wrong_sender
from gateway.actions.notice import Held, NoticePath, write_hold_notices, write_notifications
from gateway.app.chains import ChainRunner
from gateway.app.foundation import Foundation
from gateway.app.policies import CurrentChains, limits_in
from gateway.conversation.thread import find_conversation, take_out
from gateway.conversation.token import Mark, ReplyTo, find_reply_to, token_edits
from gateway.mail.address import Address, parse_address
from gateway.mail.delivery import Outgoing
from gateway.mail.ids import new_id
from gateway.mail.inbound import Authenticity
from gateway.mail.marketplace import is_alias
from gateway.mail.message import apply_edits, edited_header, parse_message
from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.mail.reply import Reply
from gateway.mail.tenant import Tenant
from gateway.mail.trouble import Alert
from gateway.net.concurrency import Pool
from gateway.policy.asked import Context, Count
from gateway.policy.chain import Chain, Judgement, after
from gateway.policy.outgoing import decide
from gateway.sieve.interface import CompileError
from gateway.store import alerts, buyers, journal, marks, people, plans, queue, unanswered
from gateway.store.following import lane_of_sender
from gateway.store.sqlite import Db

HOUR = timedelta(hours=1)
MOST_TOLD = 5
FIX_OF_WARNING = (
    "It was sent all the same. If Amazon writes that it did not pass it on, send it again"
    " without that; repeated, it may cost the seller the account."
)
TENANT_GONE = Reply(451, "4.3.0", "Your account was changed just now: try again later")
NO_CHAIN = Reply(451, "4.3.5", "The mail policies have a fault: the message was not taken")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One submission as it is kept, and what is recorded in the same transaction."""

    outgoing: Outgoing
    plan: Plan | None = None  # None: there was no file to run
    marked: tuple[marks.Mark, ...] = ()
    seen_to: int | None = None  # of the marks, as `marks.add` wants it
    discarded_by: str = ""
    warned: tuple[str, ...] = ()  # what Amazon may not pass on
    told: tuple[Outgoing, ...] = ()  # events for the tenant's webhooks
    reply_to: ReplyTo | None = None  # what takes the token of its conversation
    notices: tuple[Alert, ...] = ()


class Submissions:
    """Runs the outbound chain of a tenant; without files it costs nothing."""

    def __init__(self, base: Foundation, chains: CurrentChains) -> None:
        self._base = base
        self._chains = chains
        self._pool = Pool("outbound policy", threads=2)
        self._limits = limits_in(base.settings)
        self._runner = ChainRunner(self._pool, processes=2)

    async def accept(self, outgoing: Outgoing, *, per_hour: int | None) -> Reply:
        """Return 250 once the message is on disk (RFC 5321 §6.1), or how it is refused.

        `per_hour` is how many messages its credential may send in an hour; None: any number.
        Where a duplicate of it was kept meanwhile it is judged again. Raises StoreError.
        """
        return await marks.until_current(partial(self._accept, outgoing, per_hour=per_hour))

    async def _accept(self, outgoing: Outgoing, *, per_hour: int | None) -> Reply:
        now = datetime.now(UTC)
        judged = await self.judge(outgoing, now=now)
        if isinstance(judged, Reply):
            return judged
        judged = replace(judged, reply_to=self._find_reply_to(judged.outgoing))
        size_bytes, mark = len(outgoing.content), self._base.seal.mark
        if refusal := await self._base.store.write_content(
            size_bytes, keep, judged, per_hour=per_hour, mark=mark, now=now
        ):
            return refusal
        if judged.warned:
            events.message_warned(message_id=outgoing.id, tenant=outgoing.tenant)
        return Reply(250, "2.0.0", f"queued as {outgoing.id}")

    async def judge(
        self, outgoing: Outgoing, *, now: datetime, hold: Effect | None = None
    ) -> Judged | Reply:
        """Return what is kept, or the reply that refuses it.

        `hold` is what it is released from: the policies behind that one judge it.
        """
        judged = await self._judge_by_policies(outgoing, now=now, hold=hold)
        found = buyers_of(outgoing)
        if isinstance(judged, Reply) or not found:
            return judged
        return await self._judge_for_buyer(judged, found[0], now=now, is_new=hold is None)

    async def _judge_for_buyer(
        self, judged: Judged, buyer: Address, *, now: datetime, is_new: bool
    ) -> Judged | Reply:
        """Amazon's rules, for what leaves after all policies; a person is warned once."""
        outgoing = judged.outgoing
        tenant = self._base.directory.find_tenant(outgoing.tenant) or Tenant(id="")
        known = await self._base.store.read(
            buyers.find_registered, tenant=tenant.id, buyer=buyer
        )
        registered = [one for one in known if one in tenant.mailboxes] or [*tenant.mailboxes]
        if wrong := find_wrong_sender(outgoing.header_from, registered):
            return Reply(550, "5.7.1", wrong)
        leaving = apply_edits(outgoing.content, outgoing.edits)
        found = await self._pool.run(find_forbidden, leaving)
        is_of_robot = bool(parse_message(leaving).auto_submitted)
        if refused := found.to_robots if is_of_robot else found.attached:
            return _forbidden(refused, is_of_robot=is_of_robot)
        if registered:  # Amazon looks at the envelope, too
            path = parse_address(outgoing.header_from)
            outgoing = replace(outgoing, envelope=replace(outgoing.envelope, return_path=path))
        warned = found.words if is_new else ()
        told = _warning(outgoing, buyer, tenant, warned, now=now) if warned else []
        return replace(judged, outgoing=outgoing, warned=warned, told=(*judged.told, *told))

    async def _judge_by_policies(
        self, outgoing: Outgoing, *, now: datetime, hold: Effect | None
    ) -> Judged | Reply:
        tenant = self._base.directory.find_tenant(outgoing.tenant)
        if tenant is None:
            return Judged(outgoing=outgoing)
        try:
            chain = await self._chains.chain_for(tenant, "outbound")
        except CompileError:
            return NO_CHAIN
        if hold is not None:
            chain = after(chain, hold)
        elif not chain.files:
            return Judged(outgoing=outgoing)
        seen_to = await self._base.store.read(marks.newest)
        judgement = await self._run(chain, outgoing, tenant, now=now, hold=hold)
        for error in judgement.plan.errors:
            events.policy_failed(message_id=outgoing.id, tenant=tenant.id, error=error)
        decided = await self._pool.run(self._decide, outgoing, judgement, tenant, now=now)
        return decided if isinstance(decided, Reply) else replace(decided, seen_to=seen_to)

    def _decide(
        self, outgoing: Outgoing, judgement: Judgement, tenant: Tenant, *, now: datetime
    ) -> Judged | Reply:
        decided = decide(outgoing, judgement.plan, tenant, now=now)
        if decided.refusal or decided.outgoing is None:
            return decided.refusal or NO_CHAIN
        return Judged(
            outgoing=decided.outgoing,
            plan=judgement.plan,
            marked=tuple(
                marks.Mark(tenant=tenant.id, kind=one.kind, handle=one.handle, key=one.key)
                for one in judgement.noted
            ),
            discarded_by=decided.discarded_by,
            told=self._told(decided.outgoing, judgement.plan, tenant, now=now),
            notices=self._notices(decided.outgoing, judgement.plan, tenant, now=now),
        )

    def close(self) -> None:
        """Judge nothing more."""
        self._runner.close()
        self._pool.close()

    async def _run(
        self,
        chain: Chain,
        outgoing: Outgoing,
        tenant: Tenant,
        *,
        now: datetime,
        hold: Effect | None,
    ) -> Judgement:
        message = await self._pool.run(parse_message, outgoing.content)
        conversation = await self._base.store.read(find_conversation, tenant.id, message)
        envelope = outgoing.envelope
        context = Context(
            tenant=tenant,
            authenticity=Authenticity(header_from=outgoing.header_from),
            now=now,
            mail_from=str(envelope.return_path or ""),
            rcpt_to=tuple(str(one.address) for one in envelope.recipients),
            chain="outbound",
            thread="reply" if conversation else "new",
            conversation=conversation or "",
            hostname=self._base.settings.server.hostname,
            edits=outgoing.edits,
            flags=hold.flags if hold else (),
            globals=hold.globals if hold else (),
            done=hold.done if hold else (),
            count=self._counter(tenant.id, now),
        )
        on_error = self._base.settings.policies.on_error
        return await self._runner.run(
            chain, outgoing.content, context, on_error=on_error, limits=self._limits
        )

    def _told(
        self, outgoing: Outgoing, plan: Plan, tenant: Tenant, *, now: datetime
    ) -> tuple[Outgoing, ...]:
        """Return the events that tell that a submission is held."""
        if outgoing.hold is None:
            return ()
        data = {
            "id": outgoing.id,
            "tenant": tenant.id,
            "direction": "out",
            "mailbox": None,
            "reason": outgoing.hold,
            "notify": _names(plan),
        }
        return tuple(write_event(tenant, "message.held", data, now=now, origin=outgoing.id))

    def _notices(
        self, outgoing: Outgoing, plan: Plan, tenant: Tenant, *, now: datetime
    ) -> tuple[Alert, ...]:
        """Return the mails to those whom a hold's `:notify` names, and those of `notify`."""
        wanted = [one for one in plan.effects if one.kind is EffectKind.NOTIFY]
        if outgoing.hold is None and not wanted:
            return ()
        held = Held(
            id=outgoing.id,
            tenant=tenant,
            message=parse_message(outgoing.content),
            where="a submission",
            reason=outgoing.hold or "",
        )
        path = NoticePath(
            settings=self._base.settings.alerts, hostname=self._base.settings.server.hostname
        )
        mark = self._base.seal.mark
        told: list[Alert] = []
        if outgoing.hold is not None:
            told += write_hold_notices(_names(plan), held, path=path, mark=mark, now=now)
        for one in () if held.message.auto_submitted else wanted:  # RFC 3834 §2
            told += write_notifications(
                one.target, one.arguments, held, path=path, mark=mark, now=now
            )
        return tuple(told)

    def _find_reply_to(self, outgoing: Outgoing) -> ReplyTo | None:
        tenant = self._base.directory.find_tenant(outgoing.tenant)
        if tenant is None or not any(one.reply_tokens for one in tenant.senders.values()):
            return None
        header = edited_header(outgoing.content, outgoing.edits)
        return find_reply_to(header, takes_token=partial(_takes_token, tenant))

    def _counter(self, tenant: str, now: datetime) -> Count:
        def count(kind: str, handle: str, key: str, seconds: int) -> int:
            mark = marks.Mark(tenant=tenant, kind=kind, handle=handle, key=key)
            since = now - timedelta(seconds=seconds)
            return self._base.store.read_now(marks.count, mark, since=since)

        return count


def keep(
    db: Db, judged: Judged, *, per_hour: int | None, mark: Mark, now: datetime
) -> Reply | None:
    """Keep a submission with all that is recorded of it, or return why it is not.

    How many its credential has sent within an hour, and by what its sender's mail leaves, is
    asked here, so that it holds for all sessions and processes together.
    """
    lane = lane_of_sender(db, judged.outgoing)
    if lane is None:
        return TENANT_GONE
    outgoing = replace(judged.outgoing, lane=lane)
    if per_hour is not None and outgoing.credential is not None:
        sent = queue.count_accepted(db, outgoing.credential, since=now - HOUR)
        if sent >= per_hour:
            return Reply(450, "4.7.1", f"Your login may send {per_hour} messages an hour: wait")
    conversation = None
    if judged.reply_to is not None:
        message = parse_message(outgoing.content)
        conversation = find_conversation(db, outgoing.tenant, message) or new_id()
        edits = token_edits(judged.reply_to, conversation, tenant=outgoing.tenant, mark=mark)
        outgoing = replace(outgoing, edits=(*outgoing.edits, *edits))
    id_ = queue.accept(db, outgoing, now=now)
    take_out(db, outgoing, conversation=conversation, now=now)
    if judged.plan is not None:
        plans.store(db, id_, judged.plan, now=now)
        marks.add(db, judged.marked, seen_to=judged.seen_to, now=now)
    if judged.warned:
        found = list(judged.warned)
        journal.write(db, id_, "message.warned", now=now, found=found, fix=FIX_OF_WARNING)
    tell(db, judged, now=now)
    if judged.discarded_by:
        people.discard(db, id_, rule=judged.discarded_by, now=now)
    elif (answered := buyers_of(outgoing)) and _is_of_person(outgoing):
        unanswered.end(db, outgoing.tenant, answered)
    return None


def tell(db: Db, judged: Judged, *, now: datetime) -> None:
    """Queue what people and webhooks are told of a submission."""
    for one in judged.told:
        queue.accept(db, one, now=now)
    alerts.queue_notices(db, judged.outgoing.tenant, judged.notices, now=now)


def _takes_token(tenant: Tenant, address: str) -> bool:
    sender = tenant.find_sender(address)
    return sender is not None and sender.reply_tokens


def buyers_of(outgoing: Outgoing) -> list[Address]:
    """Return the recipients who are buyers at Amazon."""
    recipients = (one.address for one in outgoing.envelope.recipients)
    return [one for one in recipients if is_alias(one.key)]


def _is_of_person(outgoing: Outgoing) -> bool:
    """Amazon counts no automatic answer."""
    return not parse_message(outgoing.content).auto_submitted


def _forbidden(found: Sequence[str], *, is_of_robot: bool) -> Reply:
    said = ", ".join(found[:MOST_TOLD])
    mail = "an automatic mail" if is_of_robot else "a mail"
    return Reply(550, "5.7.1", f"Amazon forbids this in {mail} to a buyer: {said}")


def _warning(
    outgoing: Outgoing, buyer: Address, tenant: Tenant, found: Sequence[str], *, now: datetime
) -> list[Outgoing]:
    data = {
        "id": outgoing.id,
        "tenant": tenant.id,
        "message_id": outgoing.message_id,
        "from": outgoing.header_from,
        "recipient": str(buyer),
        "found": list(found),
        "fix": FIX_OF_WARNING,
    }
    return write_event(tenant, "message.warned", data, now=now, origin=outgoing.id)


def _names(plan: Plan) -> list[str]:
    holds = (one for one in plan.effects if one.kind is EffectKind.HOLD)
    return [str(name) for one in holds for name in one.arguments.get("notify") or ()]
