"""Carries out the Plan of one fetched message: every effect once, even after a crash.

Three commits: fetched (by `mailbox.fetch`), planned, then each effect with what it queues.
Work resumes at the recorded state and never plans twice. The order is: what hands the
message on, then what cannot be undone, the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from gateway import events
from gateway.actions.answer import Mark, Way, is_loop_mark
from gateway.actions.carry import Answer, Carried, Office, carry, keep_back, tell_held
from gateway.actions.complaint import take_complaint
from gateway.actions.feedback import Complaint
from gateway.actions.gate import History, Occasion, addresses_of, find_ceiling
from gateway.actions.marketplace_notice import Notice, take_notice
from gateway.actions.notice import NoticePath
from gateway.actions.reported import Arrival, FindOurs, Taken
from gateway.actions.undelivered import Undelivered, take_undelivered
from gateway.config import AnswerSettings
from gateway.mail.delivery import Outgoing
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.marketplace import find_proven_buyer, find_waiting_buyer, waiting_since
from gateway.mail.message import parse_message
from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.mail.tenant import Mailbox, Tenant
from gateway.store import alerts, buyers, folders, inbox, marks, suppressions, unanswered
from gateway.store.sqlite import Db, Store

MAX_TRIES = 3
LAST = (EffectKind.VACATION, EffectKind.REJECT, EffectKind.NOTIFY)
STRONGEST_FIRST = ("held", "routed", "answered", "discarded")

Reported = Complaint | Undelivered | Notice
Done = tuple[Effect, str, str]
"""An effect, how it ended, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the policies made of a message: the Plan, and what must be recorded with it."""

    plan: Plan
    marked: tuple[marks.Mark, ...] = ()
    seen_to: int | None = None  # of the marks, as `marks.add` wants it
    report: Reported | None = None  # that the message brings, whatever becomes of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What the other rooms do for us, as plain callables."""

    tenants: Callable[[], Mapping[str, Tenant]]
    authenticate: Callable[[Fetched], Awaitable[Authenticity]]
    judge: Callable[[Fetched, Authenticity], Awaitable[Judged]]
    way_for: Callable[[Tenant, Mailbox], Way | None]
    mark: Mark
    learn: Callable[[Db, Outgoing, datetime], object]  # an answer is part of a conversation
    find_ours: FindOurs
    now: Callable[[], datetime]


class Performer:
    """Takes fetched messages from the ledger to routed, answered, held or discarded."""

    def __init__(
        self,
        store: Store,
        neighbours: Neighbours,
        *,
        answers: AnswerSettings,
        notices: NoticePath,
    ) -> None:
        self._store = store
        self._near = neighbours
        self._answers = answers
        self._notices = notices

    async def perform(self, message: str) -> str | None:
        """Bring the message with this id to its end; return its outcome, None for no such.

        What is raised leaves it at its recorded state, to be taken up again.
        """
        found = await self._store.read(inbox.load, message)
        if found is None or found.state == "done":
            return found.outcome if found else None
        if found.state == "fetched":
            await self._plan(found.fetched, found.authenticity)
            found = await self._store.read(inbox.load, message)
        elif await self._store.write(inbox.begin_try, message) > MAX_TRIES:
            return await self._give_up(found.fetched)
        if found is None or found.authenticity is None:
            return None
        return await self._carry_out(found.fetched, found.authenticity)

    async def _plan(self, fetched: Fetched, known: Authenticity | None) -> None:
        """`known` is what was proven when it was first judged, of one that was released."""
        tries = await self._store.write(inbox.begin_try, fetched.id)
        if tries > MAX_TRIES:
            judged = Judged(plan=_poison_plan())
            taken = await self._store.write(self._keep, fetched, Authenticity(), judged)
        else:
            authenticity = known or await self._near.authenticate(fetched)
            judged, taken = await marks.until_current(
                partial(self._judge_and_keep, fetched, authenticity)
            )
        if taken is not None and isinstance(judged.report, Complaint):
            events.complaint_taken(
                message_id=fetched.id, about=taken.about, recipients=taken.recipients
            )
        for outgoing in taken.told if taken else ():
            events.message_queued(outgoing=outgoing)
        for error in judged.plan.errors:
            events.policy_failed(message_id=fetched.id, tenant=fetched.tenant, error=error)

    async def _judge_and_keep(
        self, fetched: Fetched, authenticity: Authenticity
    ) -> tuple[Judged, Taken | None]:
        judged = await self._near.judge(fetched, authenticity)
        return judged, await self._store.write(self._keep, fetched, authenticity, judged)

    def _keep(
        self, db: Db, fetched: Fetched, authenticity: Authenticity, judged: Judged
    ) -> Taken | None:
        """Keep what was decided, and take in what the message reports of another one."""
        now = self._near.now()
        is_new = inbox.store_plan(
            db, fetched.id, authenticity, judged.plan, marked=judged.marked,
            seen_to=judged.seen_to, now=now,
        )  # fmt: skip
        if not is_new:
            return None
        if buyer := find_proven_buyer(authenticity):
            buyers.learn(db, tenant=fetched.tenant, buyer=buyer, mailbox=fetched.mailbox)
        if buyer := find_waiting_buyer(fetched, authenticity, judged.plan):
            unanswered.begin(db, fetched, buyer, since=waiting_since(fetched))
        tenant = self._near.tenants().get(fetched.tenant)
        if tenant is None or judged.report is None:
            return None
        find_ours = self._near.find_ours
        arrival = Arrival(fetched=fetched, tenant=tenant, now=now, find_ours=find_ours)
        return _take(db, judged.report, arrival)

    async def _carry_out(self, fetched: Fetched, authenticity: Authenticity) -> str:
        office = await self._open_office(fetched, authenticity)
        effects = await self._store.read(inbox.effects, fetched.id)
        done: list[Done] = []
        for one in sorted(effects, key=lambda one: one.effect.kind in LAST):
            state, reason = one.state, one.reason or ""
            if state == "planned":
                at_hand = replace(office, is_handed_on=any(map(_is_handed_on, done)))
                carried = await self._store.write(
                    finish_effect, one, at_hand, learn=self._near.learn
                )
                for outgoing in carried.outgoing:
                    events.message_queued(outgoing=outgoing)
                state, reason = carried.state, carried.reason
            done.append((one.effect, state, reason))
        return await self._close(fetched, done)

    async def _give_up(self, fetched: Fetched) -> str:
        """Hold what could not be carried out; what was done before stays done."""
        reason = f"what the policies decided could not be carried out in {MAX_TRIES} tries"
        effects = await self._store.read(inbox.effects, fetched.id)
        tenant, now = self._tenant_of(fetched), self._near.now()
        is_told = any(one.state == "held" for one in effects)
        told = [] if is_told else tell_held(fetched, tenant, reason, now=now)
        done: list[Done] = []
        for one in effects:
            if one.state != "planned":
                done.append((one.effect, one.state, one.reason or ""))
                continue
            await self._store.write(
                inbox.finish_effect,
                fetched.id,
                one.number,
                outgoing=told,
                event="effect.given_up",
                detail={"reason": reason},
                state="held",
                now=now,
            )
            told = []
            done.append((one.effect, "held", reason))
        return await self._close(fetched, done)

    def _tenant_of(self, fetched: Fetched) -> Tenant:
        return self._near.tenants().get(fetched.tenant) or Tenant(id=fetched.tenant)

    async def _open_office(self, fetched: Fetched, authenticity: Authenticity) -> Office:
        tenant = self._tenant_of(fetched)
        mailbox = tenant.mailboxes.get(fetched.mailbox) or Mailbox(address=fetched.mailbox)
        cursor = await self._store.read(folders.cursor, fetched.mailbox, fetched.folder)
        own = (addresses_of(one) for one in self._near.tenants().values())
        occasion = Occasion(
            fetched=fetched,
            message=await asyncio.to_thread(parse_message, fetched.content),  # it may take long
            authenticity=authenticity,
            tenant=tenant,
            mailbox=mailbox,
            now=self._near.now(),
            own_addresses=frozenset().union(*own),
            connected_at=cursor.connected_at if cursor else None,
            is_own_mark=lambda value: is_loop_mark(self._near.mark, value),
        )
        way = self._near.way_for(tenant, mailbox)
        return Office(
            occasion=occasion,
            way=way,
            mark=self._near.mark,
            settings=self._answers,
            notices=self._notices,
        )

    async def _close(self, fetched: Fetched, done: list[Done]) -> str:
        outcome, rule = _judge_outcome(done)
        now = self._near.now()
        await self._store.write(inbox.finish, fetched.id, outcome, rule=rule, now=now)
        events.message_performed(
            message_id=fetched.id, tenant=fetched.tenant, outcome=outcome, rule=rule
        )
        return outcome


def _take(db: Db, report: Reported, arrival: Arrival) -> Taken:
    match report:
        case Complaint():
            return take_complaint(db, report, arrival)
        case Undelivered():
            return take_undelivered(db, report, arrival)
        case Notice():
            return take_notice(db, report, arrival)


def finish_effect(
    db: Db,
    stored: inbox.StoredEffect,
    office: Office,
    *,
    learn: Callable[[Db, Outgoing, datetime], object],
) -> Carried:
    """Carry out one effect and keep its end, in one transaction.

    An answer is judged again here, against what was answered up to this moment.
    """
    carried, now = carry(stored.effect, office), office.occasion.now
    if carried.answer:
        reason = _find_suppressed(db, carried, office) or find_ceiling(
            _history(db, carried.answer, office), office.settings
        )
        if reason:
            carried = keep_back(carried.answer, reason, office=office)
    carried = _within_room(db, carried, office)
    changed = inbox.finish_effect(
        db,
        office.occasion.fetched.id,
        stored.number,
        outgoing=carried.outgoing,
        event=carried.event,
        detail=carried.detail(stored.effect),
        state=carried.state,
        now=now,
    )
    if changed:
        alerts.queue_notices(db, office.tenant.id, carried.notices, now=now)
        _note_answer(db, carried, office, learn=learn)
    return carried


def _within_room(db: Db, carried: Carried, office: Office) -> Carried:
    """Leave out whom the policies had told too often in this hour."""
    told = alerts.find_room(db, office.tenant.id, carried.notices, now=office.occasion.now)
    untold = tuple(one.recipient for one in carried.notices if one not in told)
    return replace(carried, notices=tuple(told), untold=untold)


def _find_suppressed(db: Db, carried: Carried, office: Office) -> str | None:
    if carried.answer is None or not carried.outgoing:  # a notification is for others
        return None
    tenant, sender, now = office.tenant.id, carried.answer.sender, office.occasion.now
    found = suppressions.find(db, tenant, sender, now=now)
    return f"nothing is sent to {sender} ({found.reason})" if found else None


def _note_answer(
    db: Db,
    carried: Carried,
    office: Office,
    *,
    learn: Callable[[Db, Outgoing, datetime], object],
) -> None:
    if carried.answer is None:
        return
    now = office.occasion.now
    for letter in carried.outgoing[:1]:
        learn(db, letter, now)
    marks.note_answer(
        db,
        tenant=office.tenant.id,
        mailbox=office.occasion.mailbox.address,
        handle=carried.answer.handle,
        sender=carried.answer.sender,
        now=now,
    )


def _history(db: Db, answer: Answer, office: Office) -> History:
    tenant, now = office.tenant.id, office.occasion.now
    last = marks.last_answer(db, tenant=tenant, handle=answer.handle, sender=answer.sender)
    mailbox = office.occasion.mailbox.address

    def to_sender(since: datetime) -> int:
        return marks.answers_to(db, tenant=tenant, sender=answer.sender, since=since)

    return History(
        answered_before=last is not None and now - last < answer.silent_for,
        to_sender_last_hour=to_sender(now - timedelta(hours=1)),
        to_sender_last_day=to_sender(now - timedelta(days=1)),
        by_mailbox_last_hour=marks.answers_of(
            db, mailbox=mailbox, since=now - timedelta(hours=1)
        ),
    )


def _poison_plan() -> Plan:
    reason = f"the policies could not judge it in {MAX_TRIES} tries"
    return Plan(
        effects=(Effect(kind=EffectKind.HOLD, reason=reason),), version="", errors=(reason,)
    )


def _is_handed_on(done: Done) -> bool:
    effect, state, _ = done
    return state == "routed" and effect.kind in (EffectKind.STORE, EffectKind.AGENT)


def _judge_outcome(done: list[Done]) -> tuple[str, str]:
    """Return the strongest outcome and the rule that led to it; no effect at all holds it."""
    for outcome in STRONGEST_FIRST:
        for effect, state, reason in done:
            if state == outcome:
                where = f"{effect.file}:{effect.line} " if effect.file else ""
                return outcome, f"{where}{reason}".strip()
    return "held", "the plan has no effect"
