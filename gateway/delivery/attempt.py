"""Signs and sends one message -> one reply for each recipient, and what it means."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from random import random
from time import monotonic

from gateway.delivery.obstacle import NO_SMTPUTF8, fitted, takes_address
from gateway.delivery.retry import AT_ONCE, RetrySchedule, schedule_result
from gateway.delivery.upstream import Account, Pooled, SessionPool
from gateway.delivery.verdict import Judge, find_remote_id
from gateway.mail.delivery import (
    WRITTEN,
    Attempt,
    Batch,
    Decision,
    Delivery,
    LaneKind,
    Phase,
    Result,
    Verdict,
)
from gateway.mail.envelope import Envelope
from gateway.mail.ids import ID_FIELD
from gateway.mail.message import Edit, apply_edits
from gateway.mail.reply import Reply
from gateway.net.concurrency import Pool
from gateway.net.smtp import NO_REPLY, Answer, SessionLost, SessionRefused
from gateway.providers.catalogue import Provider

Sign = Callable[[bytes, Batch, str], bytes]
"""(content, whose it is, DKIM profile) -> the content as it leaves, signed."""

FindAccount = Callable[[Batch, str | None], Awaitable[Account | None]]
"""Returns where a batch leaves, with another access token than the one that was refused."""

INLINE_BYTES = 256 * 1024  # signed in a millisecond or two: less than a thread costs
SIGNING_DOMAIN = re.compile(rb";\s*d=([^;\s]+)")  # RFC 6376 §3.5

NO_ACCOUNT = Verdict(
    decision=Decision.SIGN_IN_REFUSED,  # nobody was asked: the give-up clock stands still
    cause="no-account",
    meaning="The way that this mail was to leave by is not there any more or has no password.",
    fix="Give it again, with its password: gateway upstream add, or gateway apply.",
)


@dataclass(frozen=True, slots=True)
class _Try:
    """What one try said: an answer for each recipient, over what TLS, signed by whom."""

    answers: tuple[Answer, ...]
    tls: str | None = None
    signed: tuple[str, ...] = ()  # domains
    dsn_offered: bool = False


class Sender:
    """Sends batches by SMTP: to upstreams, and to routes of that kind."""

    def __init__(
        self,
        pool: SessionPool,
        *,
        find_account: FindAccount,
        sign: Sign,
        confirm: Callable[[Batch], Awaitable[bool]],
        catalogue: Mapping[str, Provider],
        schedules: Mapping[LaneKind, RetrySchedule],
    ) -> None:
        self._pool = pool
        self._find_account = find_account
        self._sign = sign
        self._confirm = confirm
        self._catalogue = catalogue
        self._schedules = schedules
        self._threads = Pool("dkim", threads=1)
        self._jitter = random

    async def attempt(self, batch: Batch) -> list[Result]:
        """Try a batch once; return a result for each delivery.

        Returns nothing when the lease was lost before the final dot: another session has
        the message now. A refusal is a result; nothing that a server does is raised.
        """
        started, at = monotonic(), datetime.now(UTC)
        account = await self._find_account(batch, None)
        if account is None:
            return [self._without_account(batch, one, at) for one in batch.deliveries]
        tried = await self._try(batch, account)
        if token := _refused_token(account, tried):
            account = await self._find_account(batch, token) or account
            tried = await self._try(batch, account)
        seconds = monotonic() - started
        said = [
            _attempt(account, tried, answer=answer, at=at, seconds=seconds)
            for answer in tried.answers
        ]
        return self._results(batch, account, said)

    def close(self) -> None:
        """Sign nothing more."""
        self._threads.close()

    async def _try(self, batch: Batch, account: Account) -> _Try:
        """Send; once more on a fresh session when one at rest proves to be closed."""
        try:
            return await self._try_once(batch, account, fresh=False)
        except _WasClosed:
            return await self._try_once(batch, account, fresh=True)

    async def _try_once(self, batch: Batch, account: Account, *, fresh: bool) -> _Try:
        try:
            taken = await self._pool.take(batch.lane, account, fresh=fresh)
        except SessionLost as lost:
            return _Try(_same(batch, lost.phase, Reply(NO_REPLY, None, str(lost))))
        if isinstance(taken, SessionRefused):
            return _Try(_same(batch, taken.phase, taken.reply))
        tls = taken.session.tls
        try:
            offered = "DSN" in taken.session.extensions
            return replace(await self._send(batch, taken), tls=tls, dsn_offered=offered)
        except SessionLost as lost:
            if taken.reused and lost.phase is Phase.MAIL:
                raise _WasClosed from lost
            return _Try(_same(batch, lost.phase, Reply(NO_REPLY, None, str(lost))), tls)
        finally:
            self._pool.give_back(batch.lane, taken)

    async def _send(self, batch: Batch, taken: Pooled) -> _Try:
        """Send to those whose address the server takes; the others alone are refused."""
        envelope = taken.account.as_allowed(batch.envelope)
        offered = taken.session.extensions
        taking = [takes_address(one, offered=offered) for one in envelope.recipients]
        if all(taking) or not any(taking):
            return await self._send_to(envelope, batch, taken)
        pairs = zip(envelope.recipients, taking, strict=True)
        some = replace(envelope, recipients=tuple(one for one, takes in pairs if takes))
        tried = await self._send_to(some, batch, taken)
        if not tried.answers:
            return tried  # the lease was lost
        said = iter(tried.answers)
        refused = Answer(Phase.RCPT, NO_SMTPUTF8)
        answers = tuple(next(said) if takes else refused for takes in taking)
        return replace(tried, answers=answers)

    async def _send_to(self, envelope: Envelope, batch: Batch, taken: Pooled) -> _Try:
        content = apply_edits(batch.content, _edits(batch, taken.account))
        ready = await self._fitted(envelope, content, offered=taken.session.extensions)
        if isinstance(ready, Reply):
            return _Try((Answer(Phase.DATA, ready),) * len(envelope.recipients))
        signed = await self._signed(ready, batch, taken.account.dkim_profile)
        confirm = partial(self._confirm, batch)
        answers = await taken.session.send(envelope, signed, before_dot=confirm)
        return _Try(answers, signed=_signing_domains(signed[: len(signed) - len(ready)]))

    async def _fitted(
        self, envelope: Envelope, content: bytes, *, offered: Mapping[str, str]
    ) -> bytes | Reply:
        """Re-encode what is large beside the loop: it takes a second, and delays nobody."""
        if len(content) <= INLINE_BYTES or "8BITMIME" in offered:
            return fitted(envelope, content, offered=offered)
        return await self._threads.run(fitted, envelope, content, offered=offered)

    async def _signed(self, content: bytes, batch: Batch, profile: str) -> bytes:
        if profile == "none":
            return content
        if len(content) <= INLINE_BYTES:
            return self._sign(content, batch, profile)
        return await self._threads.run(self._sign, content, batch, profile)

    def _results(self, batch: Batch, account: Account, said: Sequence[Attempt]) -> list[Result]:
        judge = Judge(
            provider=account.provider,
            catalogue=self._catalogue,
            kind=batch.lane.kind,
            username=account.credentials.username if account.credentials else None,
            oauth2=account.credentials is not None and account.credentials.oauth2,
        )
        judged = [
            (delivery, one, judge.verdict(one.phase, one.reply, attempts=delivery.attempts))
            for delivery, one in zip(batch.deliveries, said, strict=False)
        ]
        is_split = any(verdict.cause not in AT_ONCE for _, _, verdict in judged)
        return [
            self._schedule(batch, delivery, one, verdict=verdict, is_split=is_split)
            for delivery, one, verdict in judged
        ]

    def _schedule(
        self,
        batch: Batch,
        delivery: Delivery,
        attempt: Attempt,
        *,
        verdict: Verdict,
        is_split: bool = False,
    ) -> Result:
        return schedule_result(
            delivery,
            attempt,
            verdict=verdict,
            schedule=self._schedules[batch.lane.kind],
            kind=batch.lane.kind,
            jitter=self._jitter(),
            is_split=is_split,
        )

    def _without_account(self, batch: Batch, delivery: Delivery, at: datetime) -> Result:
        reply = Reply(NO_REPLY, None, NO_ACCOUNT.meaning)
        attempt = Attempt(at=at, host="", phase=Phase.CONNECT, reply=reply)
        return self._schedule(batch, delivery, attempt, verdict=NO_ACCOUNT)


class _WasClosed(Exception):
    """A session at rest was closed by the server before it took our MAIL."""


def _edits(batch: Batch, account: Account) -> tuple[Edit, ...]:
    """Return the recorded edits, and our id where the account's own copy is known by it."""
    if not account.names_mail or batch.kind not in WRITTEN:
        return batch.edits
    return (*batch.edits, Edit(ID_FIELD, None), Edit(ID_FIELD, batch.message))


def _same(batch: Batch, phase: Phase, reply: Reply) -> tuple[Answer, ...]:
    return (Answer(phase, reply),) * len(batch.deliveries)


def _refused_token(account: Account, tried: _Try) -> str | None:
    """Return the access token that the server refused: it may have ended before its time."""
    login = account.credentials
    refused = bool(tried.answers) and tried.answers[0].phase is Phase.AUTH
    return login.secret if refused and login is not None and login.oauth2 else None


def _signing_domains(added: bytes) -> tuple[str, ...]:
    """Return the domains of the signatures that stand above a message, each once."""
    found = dict.fromkeys(SIGNING_DOMAIN.findall(added))
    return tuple(one.decode("ascii", "replace") for one in found)


def _attempt(
    account: Account, tried: _Try, *, answer: Answer, at: datetime, seconds: float
) -> Attempt:
    delivered = answer.phase is Phase.AFTER_DOT and answer.reply.code // 100 == 2
    return Attempt(
        at=at,
        host=account.endpoint.host,
        phase=answer.phase,
        reply=answer.reply,
        tls=tried.tls,
        signed=tried.signed,
        seconds=seconds,
        remote_id=find_remote_id(answer.reply.text) if delivered else None,
        dsn_offered=tried.dsn_offered,
    )
