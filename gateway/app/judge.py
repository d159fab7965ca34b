"""The policies joined: a fetched message and its authenticity -> a Plan and what it marks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from gateway.actions.answer import Mark, is_loop_mark
from gateway.actions.feedback import read_complaint
from gateway.actions.gate import LOOP_FIELD, received_by
from gateway.actions.letter import encoded
from gateway.actions.marketplace_notice import read_notice
from gateway.actions.nameless import tie
from gateway.actions.perform import Judged, Reported
from gateway.actions.returned import read_returned
from gateway.actions.route import CONVERSATION_FIELD, LINKED_FIELD, SEQUENCE_FIELD
from gateway.actions.undelivered import Undelivered, read_undelivered
from gateway.app.chains import ChainRunner
from gateway.app.foundation import Foundation
from gateway.app.policies import CurrentChains, limits_in
from gateway.conversation.thread import Thread, take_in
from gateway.conversation.token import Given, find_given
from gateway.delivery.verdict import failure_class
from gateway.mail.delivery import Decision, Verdict
from gateway.mail.ids import REF_FIELD
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.message import Edit, parse_message
from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.mail.reply import Reply
from gateway.mail.tenant import Mailbox, Tenant
from gateway.net.concurrency import Pool
from gateway.policy.asked import Context, Count
from gateway.policy.chain import after
from gateway.policy.edits import foreign_marks, foreign_results
from gateway.providers.catalogue import Provider
from gateway.providers.diagnosis import diagnose
from gateway.store import marks

JUNK = "it lies in the folder for junk"


class Judge:
    """Runs a tenant's inbound chain on a message, in a thread of its own."""

    def __init__(
        self, base: Foundation, chains: CurrentChains, *, now: Callable[[], datetime]
    ) -> None:
        self._base = base
        self._chains = chains
        self._now = now
        self._limits = limits_in(base.settings)
        self._pool = Pool("policy", threads=1)
        self._runner = ChainRunner(self._pool, processes=1)

    async def judge(self, fetched: Fetched, authenticity: Authenticity) -> Judged:
        """Return the Plan and what is recorded with it.

        Raises CompileError while the tenant's policies do not compile: the message waits.
        """
        now = self._now()
        tenant = self._base.directory.tenants[fetched.tenant]
        report = await self._read_report(fetched, authenticity)
        if _is_reported(fetched, tenant.mailboxes.get(fetched.mailbox)):
            context = await self._context(fetched, authenticity, tenant, now=now, report=report)
            return Judged(plan=self._hold_junk(context), report=report)
        chain = await self._chains.chain_for(tenant, "inbound")
        if fetched.released:  # it goes on with the file after the one that held it
            chain = after(chain, fetched.released)
        seen_to = await self._base.store.read(marks.newest)
        judgement = await self._runner.run(
            chain,
            fetched.content,
            await self._context(fetched, authenticity, tenant, now=now, report=report),
            on_error=self._base.settings.policies.on_error,
            limits=self._limits,
        )
        marked = tuple(
            marks.Mark(tenant=tenant.id, kind=one.kind, handle=one.handle, key=one.key)
            for one in judgement.noted
        )
        return Judged(plan=judgement.plan, marked=marked, seen_to=seen_to, report=report)

    async def _read_report(
        self, fetched: Fetched, authenticity: Authenticity
    ) -> Reported | None:
        """Return what a message tells of one that was sent, whatever becomes of it."""
        if fetched.released:  # what it reports was taken in before
            return None
        catalogue = self._base.catalogue
        found = await self._pool.run(_read_report, fetched.content, authenticity, catalogue)
        if isinstance(found, Undelivered) and not found.ids:
            return await self._base.store.read(tie, found, fetched, authenticity)
        return found

    async def _context(
        self,
        fetched: Fetched,
        authenticity: Authenticity,
        tenant: Tenant,
        *,
        now: datetime,
        report: Reported | None,
    ) -> Context:
        """Return what a chain may ask of; a released message goes on as it was when held."""
        hold = fetched.released
        thread = await self._take_in(fetched, authenticity, report, now=now)
        before = hold or await self._begin(fetched, authenticity, thread)
        return Context(
            tenant=tenant,
            authenticity=authenticity,
            now=now,
            # where no provider wrote a Return-Path, an empty one would pass for a bounce's
            mail_from=authenticity.mail_from or authenticity.header_from,
            rcpt_to=(await self._pool.run(_received_by, fetched, tenant),),
            route=tenant.route_of(fetched.mailbox),
            thread="reply" if thread.is_reply else "new",
            conversation=thread.conversation,
            hostname=self._base.settings.server.hostname,
            edits=before.edits,
            flags=before.flags,
            globals=before.globals,
            done=before.done,
            count=self._counter(tenant, now),
        )

    async def _take_in(
        self,
        fetched: Fetched,
        authenticity: Authenticity,
        report: Reported | None,
        *,
        now: datetime,
    ) -> Thread:
        mark = self._base.seal.mark
        given = await self._pool.run(_find_given, fetched.content, fetched.tenant, mark)
        return await self._base.store.write(
            take_in,
            fetched,
            sender=authenticity.header_from,
            now=now,
            returned=report.ids if isinstance(report, Undelivered) else (),
            given=given,
        )

    async def _begin(
        self, fetched: Fetched, authenticity: Authenticity, thread: Thread
    ) -> Effect:
        """Return how a message is that no policy has seen."""
        mark = self._base.seal.mark
        edits = await self._pool.run(
            _edits_before, fetched.content, thread, mark, authenticity.believed
        )
        return Effect(kind=EffectKind.HOLD, edits=edits)

    def _hold_junk(self, context: Context) -> Plan:
        """Hold a mail of the junk folder for as long as its content is kept."""
        kept = self._base.settings.retention.received.total_seconds()
        arguments = {"reason": JUNK, "seconds": int(kept), "then": "discard"}
        hold = Effect(
            kind=EffectKind.HOLD, reason=JUNK, edits=context.edits, arguments=arguments
        )
        return Plan(effects=(hold,), version="")

    def close(self) -> None:
        """Judge nothing more."""
        self._runner.close()
        self._pool.close()

    def _counter(self, tenant: Tenant, now: datetime) -> Count:
        """Return what a running chain asks, in its own thread, while the store answers."""

        def count(kind: str, handle: str, key: str, seconds: int) -> int:
            mark = marks.Mark(tenant=tenant.id, kind=kind, handle=handle, key=key)
            since = now - timedelta(seconds=seconds)
            return self._base.store.read_now(marks.count, mark, since=since)

        return count


def _is_reported(fetched: Fetched, mailbox: Mailbox | None) -> bool:
    """Whether a mail is in junk, told of there and not handed on: no policy sees it so far."""
    is_new = fetched.junk and fetched.released is None
    return is_new and mailbox is not None and mailbox.junk == "report"


def _read_report(
    content: bytes, authenticity: Authenticity, catalogue: Mapping[str, Provider]
) -> Reported | None:
    def classify(reply: Reply) -> str:
        return _class_of(reply, catalogue)

    certain = read_complaint(content) or read_undelivered(content, classify=classify)
    if certain:
        return certain
    returned = read_returned(content, classify=classify)
    if returned and returned.ids:
        return returned
    return read_notice(content, authenticity, catalogue) or returned


def _class_of(reply: Reply, catalogue: Mapping[str, Provider]) -> str:
    """Return the class of what a recipient's server said, as of one that we talked to."""
    found = diagnose(
        catalogue["generic"], catalogue, phase="destination", code=reply.code,
        text=reply.phrase,
    )  # fmt: skip
    verdict = Verdict(decision=Decision.FAIL, cause=found.cause, meaning=found.meaning)
    return failure_class(verdict, reply)


def _find_given(content: bytes, tenant: str, mark: Mark) -> Given:
    return find_given(parse_message(content), tenant=tenant, mark=mark)


def _received_by(fetched: Fetched, tenant: Tenant) -> str:
    return received_by(parse_message(fetched.content), tenant, fetched.mailbox)


def _edits_before(
    content: bytes, thread: Thread, mark: Mark, believed: Collection[str]
) -> tuple[Edit, ...]:
    """What is edited before a chain sees it: marks of strangers out, our ids and marks in."""
    message = parse_message(content)
    is_ours = any(is_loop_mark(mark, field.value) for field in message.all(LOOP_FIELD))
    kept = [LOOP_FIELD] if is_ours else []
    told = [
        Edit(CONVERSATION_FIELD, thread.conversation),
        Edit(SEQUENCE_FIELD, str(thread.sequence)),
        *([Edit(REF_FIELD, encoded(thread.ref, name=REF_FIELD))] if thread.ref else []),
        *([Edit(LINKED_FIELD, thread.linked)] if thread.linked else []),
    ]
    foreign = (*foreign_marks(message, keep=kept), *foreign_results(message, believed))
    return (*foreign, *thread.edits, *told)
