"""To the helpdesk by IMAP: the message is appended to a folder that it reads.

A repeated attempt first looks for the message among the newest of the folder: what was in
flight when a connection broke, or when we ended, is not appended twice. It is known by our id,
since some write one Message-ID into many mails; a copy of sent mail by its Message-ID. Nothing
is ever bounced to a customer: what is refused for days is set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.actions.route import told
from gateway.config import RouteSettings
from gateway.mail.delivery import Attempt, Batch, Decision, Delivery, Phase, Result, Verdict
from gateway.mail.ids import ID_FIELD
from gateway.mail.message import apply_edits
from gateway.mail.reply import Reply
from gateway.net.imap import Endpoint, FolderName, ImapPools, ImapRefused, ImapSession
from gateway.net.smtp import NO_REPLY
from gateway.net.unreachable import Unreachable

NEWEST = 200  # messages of the folder that are looked through
SENT = "Sent"
APPENDED, REFUSED = 250, 451
FIX = "check host, user name, password and folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder of somebody's mailbox."""

    endpoint: Endpoint
    username: str
    secret: str = field(repr=False)
    folder: str | None  # None: the one that `find` names
    find: Callable[[list[FolderName]], str | None] | None = None
    is_copy: bool = False  # then one that is there already is enough, at the first try too


@dataclass(frozen=True, slots=True, kw_only=True)
class Appender:
    """Delivers batches of IMAP routes."""

    pools: ImapPools
    settings: RouteSettings

    async def deliver(
        self, batch: Batch, shelf: Shelf, *, was_interrupted: bool = False, now: datetime
    ) -> list[Result]:
        """Append the batch once; return what became of each of its deliveries.

        `was_interrupted` says of a try that no attempt tells of: we ended in the middle of it.
        Raises nothing for what the other side does.
        """
        is_repeated = was_interrupted or any(one.attempts for one in batch.deliveries)
        try:
            refused = await self._append(batch, shelf, is_repeated=is_repeated)
        except Unreachable as error:
            reply = Reply(NO_REPLY, None, f"cannot be reached: {error}")
        else:
            said = f"{refused.code} {refused.text}" if refused else "it is in the folder"
            reply = Reply(REFUSED if refused else APPENDED, None, said)
        attempt = Attempt(at=now, host=shelf.endpoint.host, phase=Phase.IMAP, reply=reply)
        return judge(batch.deliveries, attempt, settings=self.settings, now=now)

    async def _append(
        self, batch: Batch, shelf: Shelf, *, is_repeated: bool
    ) -> ImapRefused | None:
        session = await ImapSession.connect(shelf.endpoint, self.pools)
        if isinstance(session, ImapRefused):
            return session
        try:
            if refused := await session.login(shelf.username, shelf.secret):
                return refused
            folder = shelf.folder or await _named(session, shelf)
            looks = is_repeated or shelf.is_copy
            if looks and await _holds(session, folder, *_mark_of(batch)):
                return None
            content = apply_edits(batch.content, batch.edits)
            return await session.append(folder, content, at=batch.accepted_at)
        finally:
            await session.logout()


def judge(
    deliveries: Sequence[Delivery], attempt: Attempt, *, settings: RouteSettings, now: datetime
) -> list[Result]:
    """Return what one attempt means for each delivery (pure)."""
    return [_result(one, attempt, settings=settings, now=now) for one in deliveries]


def _result(
    delivery: Delivery, attempt: Attempt, *, settings: RouteSettings, now: datetime
) -> Result:
    next_attempt_at = None
    if attempt.reply.code == APPENDED:
        verdict = Verdict(
            decision=Decision.DELIVERED, cause="accepted", meaning="The folder took it."
        )
    elif timedelta(seconds=delivery.sendable_seconds) >= settings.give_up_after:
        meaning = f"the mailbox did not take it for too long: {attempt.reply.text}"
        verdict = Verdict(
            decision=Decision.SET_ASIDE, cause="append-failed", meaning=meaning, fix=FIX
        )
    else:
        verdict = Verdict(
            decision=Decision.DEFER,
            cause="append-failed",
            meaning=f"the mailbox did not take it: {attempt.reply.text}",
            fix=FIX,
        )
        waits = settings.retry_waits
        next_attempt_at = now + waits[min(delivery.attempts, len(waits) - 1)]
    return Result(
        delivery=delivery.number,
        attempt=attempt,
        verdict=verdict,
        next_attempt_at=next_attempt_at,
    )


async def _named(session: ImapSession, shelf: Shelf) -> str:
    """Return the folder that is looked for, made where there is none."""
    listed = await session.folders()
    known = [] if isinstance(listed, ImapRefused) else listed
    if shelf.find is not None and (name := shelf.find(known)):
        return name
    await session.create(SENT)  # where that is refused, so is the append, with the reason
    return SENT


def _mark_of(batch: Batch) -> tuple[str, str]:
    """Return the header field that tells a message from others, and its value there."""
    ours = told(batch.edits, ID_FIELD)
    return (ID_FIELD, ours[-1]) if ours else ("Message-ID", batch.message_id)


async def _holds(session: ImapSession, name: str, field: str, value: str) -> bool:
    """Whether a message is among the newest of a folder; where that cannot be told, no."""
    folder = await session.select(name)
    if isinstance(folder, ImapRefused) or not value:
        return False
    newest = max(0, (folder.next_uid or 0) - 1 - NEWEST)
    listed = await session.messages_above(newest, sizes=False)
    if isinstance(listed, ImapRefused):
        return False
    headers = await session.headers([one.uid for one in listed], field)
    if isinstance(headers, ImapRefused):
        return False
    return any(one.text(field) == value for one in headers.values())
