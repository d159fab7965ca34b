"""What the gateway says of itself: one function per event.

Operators build on the names, so a name is kept. info: the journey; warn: someone should
look; error: we broke a promise. Never logged: bodies, subjects, passwords, tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from gateway.log_formats import name_fault, say
from gateway.mail.delivery import Batch, Decision, Delivery, Lane, Outgoing, Result, Verdict
from gateway.mail.envelope import Refused, Submission
from gateway.mail.reply import Reply
from gateway.mail.trouble import Alert, Trouble

_debug = partial(say, logging.DEBUG)
_info = partial(say, logging.INFO)
_warn = partial(say, logging.WARNING)
_error = partial(say, logging.ERROR)
TRIED = {
    Decision.DELIVERED: "delivered",
    Decision.FAIL: "failed",
    Decision.SET_ASIDE: "set_aside",
}


def task_failed(*, task: str, error: BaseException) -> None:
    """Record that a background task ended by a fault of ours."""
    _error("task.failed", task=task, error=name_fault(error))


def session_opened(*, client: str, port: int) -> None:
    """Record that a client of submission connected."""
    _debug("session.opened", client=client, port=port)


def session_closed(*, client: str, port: int) -> None:
    """Record that a client of submission is gone."""
    _debug("session.closed", client=client, port=port)


def submission_accepted(*, submission: Submission, outgoing: Outgoing) -> None:
    """Record that a message was accepted for good: ours to deliver."""
    _info(
        "submission.accepted", id=outgoing.id, tenant=outgoing.tenant,
        credential=submission.credential, sender=outgoing.header_from,
        **_client(submission), **_letter(outgoing),
    )  # fmt: skip


def submission_refused(*, submission: Submission, reply: Reply) -> None:
    """Record that a message was not taken, and what the client was told."""
    envelope = submission.envelope
    only = envelope.recipients[0].address if len(envelope.recipients) == 1 else None
    _info(
        "submission.refused", tenant=submission.tenant, credential=submission.credential,
        return_path=str(envelope.return_path or ""), to=only and str(only),
        recipients=len(envelope.recipients), reply=reply.as_line(), **_client(submission),
    )  # fmt: skip


def recipient_refused(refused: Refused, *, client: str) -> None:
    """Record that one recipient was not taken, and what the client was told."""
    _info(
        "submission.recipient_refused", tenant=refused.tenant, credential=refused.credential,
        sender=refused.return_path or "<>", to=refused.recipient, client=client,
        reply=refused.reply.as_line(),
    )  # fmt: skip


def sign_in_refused(
    *, client: str, username: str, reason: str, mechanism: str = "PLAIN"
) -> None:
    """Record a refused sign-in of a helpdesk; fail2ban reads `client=`."""
    _warn(
        "submission.sign_in_refused", client=client, username=username, reason=reason,
        mechanism=mechanism,
    )  # fmt: skip


def message_queued(*, outgoing: Outgoing) -> None:
    """Record that a message of our own is on disk: a notification, an answer, a forward."""
    _info(
        "message.queued", id=outgoing.id, kind=outgoing.kind.value, origin=outgoing.origin,
        lane=outgoing.lane, **_letter(outgoing),
    )  # fmt: skip


def message_finished(*, message_id: str) -> None:
    """Record that nothing of a message waits any more, for any of its recipients."""
    _info("message.finished", id=message_id)


def session_fault(*, error: BaseException) -> None:
    """Record a fault of ours in a submission session; the client was answered 451."""
    _error("submission.session_fault", error=name_fault(error))


def certificate_read(*, path: str, expires_at: datetime) -> None:
    """Record that a changed certificate is in use for new sessions."""
    _info("tls.certificate_read", path=path, expires_at=expires_at.isoformat())


def certificate_not_read(*, path: str, error: BaseException) -> None:
    """Record that a changed certificate or key cannot be used; the old one stays."""
    _error("tls.certificate_not_read", path=path, error=str(error))


def delivery_tried(*, batch: Batch, delivery: Delivery, result: Result) -> None:
    """Record that a recipient was tried: delivered, deferred, failed or set aside."""
    attempt = result.attempt
    outcome = "failed" if result.give_up else TRIED.get(result.verdict.decision, "deferred")
    waited = (attempt.at - batch.accepted_at).total_seconds()
    _info(
        f"delivery.{outcome}",
        id=batch.message,
        kind=batch.kind.value,
        to=delivery.recipient.address,
        lane=batch.lane,
        host=attempt.host,
        tls=attempt.tls,
        phase=attempt.phase.value,
        reply=attempt.reply.as_line(),
        seconds=round(attempt.seconds, 3),
        delay_seconds=round(max(0.0, waited) + attempt.seconds, 3),
        cause=result.verdict.cause,
    )


def delivery_stale(*, message_id: str, lane: Lane, recipients: int, reason: str) -> None:
    """Record that mail waited too long for a chance to be tried: a person must release it."""
    _warn("delivery.stale", id=message_id, lane=lane, recipients=recipients, reason=reason)


def store_full(*, reason: str) -> None:
    """Record that new mail is answered 452 until there is room; nothing that waits is lost."""
    _error("store.full", reason=reason)


def content_removed(*, contents: int, journal_rows: int, size_bytes: int) -> None:
    """Record that what is done with was removed at its age."""
    _info(
        "store.content_removed", contents=contents, journal_rows=journal_rows,
        size_bytes=size_bytes,
    )  # fmt: skip


def lane_paused(*, lane: Lane, verdict: Verdict, until: datetime | None) -> None:
    """Record that nothing leaves by a lane: its sign-in was refused, or a quota is used up."""
    _warn("lane.paused", lane=lane, cause=verdict.cause, meaning=verdict.meaning,
          fix=verdict.fix, until=until)  # fmt: skip


def lane_resumed(*, lane: Lane) -> None:
    """Record that a lane is open again: what waited leaves now."""
    _info("lane.resumed", lane=lane)


def lane_rate_changed(*, lane: Lane, per_minute: float | None) -> None:
    """Record the rate that a server taught us; None is the preset's."""
    _info("lane.rate_changed", lane=lane, per_minute=per_minute and round(per_minute, 1))


def message_fetched(
    *, message_id: str, mailbox: str, folder: str, uid: int, size_bytes: int
) -> None:
    """Record that a message was fetched and is stored."""
    _info(
        "message.fetched",
        id=message_id,
        mailbox=mailbox,
        folder=folder,
        uid=uid,
        size_bytes=size_bytes,
    )


def message_set_aside(*, message_id: str, mailbox: str, uid: int, reason: str) -> None:
    """Record that a message could not be taken in and was set aside; its mailbox goes on."""
    _warn("message.set_aside", id=message_id, mailbox=mailbox, uid=uid, reason=reason)


def message_not_stored(*, mailbox: str, uid: int, error: BaseException) -> None:
    """Record that a fault of ours kept a message out of the store; it is tried again."""
    _error("message.not_stored", mailbox=mailbox, uid=uid, error=name_fault(error))


def mailbox_renumbered(*, mailbox: str, folder: str, messages: int, new: int) -> None:
    """Record that a folder has another UIDVALIDITY; `new` of its messages are not known."""
    _warn("mailbox.renumbered", mailbox=mailbox, folder=folder, messages=messages, new=new)


def ledger_compared(
    *, mailbox: str, folder: str, server: int, known: int, missing: int, fetched: int
) -> None:
    """Record what a folder has on the server against what we have of it."""
    tell = _warn if missing else _info
    tell(
        "mailbox.ledger",
        mailbox=mailbox,
        folder=folder,
        server=server,
        known=known,
        missing=missing,
        fetched=fetched,
    )


def code_renewed(*, tenant: str, mailbox: str, by_file: bool) -> None:
    """Record that a code was proven and is in use from now on."""
    _info("mailbox.code_renewed", tenant=tenant, mailbox=mailbox, by_file=by_file)


def code_refused(*, tenant: str, mailbox: str, cause: str, said: str) -> None:
    """Record that a code did not open the mailbox; the one before stays in use."""
    _warn("mailbox.code_refused", tenant=tenant, mailbox=mailbox, cause=cause, said=said)


def mailbox_reminder(*, tenant: str, mailbox: str, kind: str, owner: str) -> None:
    """Record that somebody is reminded of a mailbox's code."""
    _warn("mailbox.reminder", tenant=tenant, mailbox=mailbox, kind=kind, owner=owner or None)


def provider_wave(*, provider: str, mailboxes: int) -> None:
    """Record that a provider refuses many mailboxes of several tenants at once."""
    _error("provider.wave", provider=provider, mailboxes=mailboxes)


def after_fetch_refused(*, mailbox: str, action: str, uid: int, text: str) -> None:
    """Record that the server refused what `after_fetch` asks for; the message is fetched."""
    _warn("mailbox.after_fetch_refused", mailbox=mailbox, action=action, uid=uid, text=text)


def folder_not_opened(*, mailbox: str, folder: str, text: str) -> None:
    """Record that nothing is fetched from a folder: the server does not open it."""
    _warn("mailbox.folder_not_opened", mailbox=mailbox, folder=folder, text=text)


def mailbox_connected(*, mailbox: str, host: str, idle: bool) -> None:
    """Record that a mailbox is signed in and watched."""
    _info("mailbox.connected", mailbox=mailbox, host=host, idle=idle)


def mailbox_unreachable(*, mailbox: str, reason: str, next_try_seconds: float) -> None:
    """Record that a mailbox's server could not be talked to; it is tried again."""
    _warn(
        "mailbox.unreachable",
        mailbox=mailbox,
        reason=reason,
        next_try_seconds=round(next_try_seconds, 1),
    )


def mailbox_refused(
    *, mailbox: str, phase: str, cause: str, text: str, next_try_seconds: float
) -> None:
    """Record that a server refused a sign-in or a folder, with its words."""
    _warn(
        "mailbox.refused",
        mailbox=mailbox,
        phase=phase,
        cause=cause,
        text=text,
        next_try_seconds=round(next_try_seconds, 1),
    )


def mailbox_state_changed(
    *, mailbox: str, state: str, reason: str | None, fix: str | None
) -> None:
    """Record that a mailbox is ok, suspect or dead from now on, and why."""
    report = _info if state == "ok" else _warn
    report("mailbox.state_changed", mailbox=mailbox, state=state, reason=reason, fix=fix)


def mailbox_not_watched(*, mailbox: str, reason: str) -> None:
    """Record that a mailbox cannot be watched as it is configured."""
    _warn("mailbox.not_watched", mailbox=mailbox, reason=reason)


def mailbox_waits_for_store(*, mailbox: str, error: BaseException) -> None:
    """Record that mail stays in a mailbox because the store has no room for it."""
    _error("mailbox.waits_for_store", mailbox=mailbox, error=name_fault(error))


def policy_failed(*, message_id: str, tenant: str, error: str) -> None:
    """Record that a policy failed on a message, which is held (or kept, as configured)."""
    _warn("policy.failed", id=message_id, tenant=tenant, error=error)


def message_performed(*, message_id: str, tenant: str, outcome: str, rule: str) -> None:
    """Record how a fetched message ended, by which rule."""
    _info(f"message.{outcome}", id=message_id, tenant=tenant, rule=rule)


def complaint_taken(*, message_id: str, about: str | None, recipients: Sequence[str]) -> None:
    """Record a report that a mail is unwanted; `about` None: the tenant did not send it."""
    _warn("message.complained", id=message_id, about=about, recipients=",".join(recipients))


def message_unanswered(*, message_id: str, tenant: str, mailbox: str, hours: int) -> None:
    """Record that a buyer's mail waits for so long; Amazon counts 24 hours."""
    _warn("message.unanswered", id=message_id, tenant=tenant, mailbox=mailbox, hours=hours)


def message_warned(*, message_id: str, tenant: str) -> None:
    """Record that a mail to a buyer at Amazon holds what Amazon may not pass on."""
    _warn("message.warned", id=message_id, tenant=tenant)


def policy_refused(*, tenant: str, chain: str, fault: str, running: str) -> None:
    """Record that a tenant's chain does not compile; `running` is the version that runs on.

    "none" where there never was a good one: nothing is fetched then, submissions get 451.
    """
    _error("policy.refused", tenant=tenant, chain=chain, fault=fault, running=running)


def server_started(*, listeners: str, mailboxes: int, tenants: int) -> None:
    """Record that every listener and worker is up."""
    _info("server.started", listeners=listeners, mailboxes=mailboxes, tenants=tenants)


def worker_ended(*, pid: int, code: int) -> None:
    """Record that a process that takes mail has ended by itself; another one is started."""
    _error("server.worker_ended", pid=pid, code=code)


def capture_started(*, directory: str) -> None:
    """Record that mail accepted from now on is captured, that no other mail moves."""
    meaning = "NOTHING LEAVES THIS MACHINE: mail is captured, mailboxes are not fetched"
    _warn("server.captures", meaning=meaning, directory=directory)


def message_captured(*, message_id: str, lane: Lane, file: str) -> None:
    """Record that a message was captured, not sent."""
    _info("delivery.captured", id=message_id, lane=lane, file=file)


def server_stopping() -> None:
    """Record that the server drains: it takes nothing new and lets sessions end."""
    _info("server.stopping")


def tenants_read(*, tenants: int, revision: int) -> None:
    """Record that changed tenants are in use."""
    _info("tenants.read", tenants=tenants, revision=revision)


def work_failed(*, message_id: str, error: BaseException) -> None:
    """Record that a fault of ours kept a fetched message from its end; it is tried again."""
    _error("message.not_performed", id=message_id, error=name_fault(error))


def trouble_begun(*, trouble: Trouble) -> None:
    """Record that something needs a person; whoever [alerts] names is told."""
    _warn("trouble.begun", cause=trouble.cause, what=trouble.what, why=trouble.why)


def trouble_ended(*, trouble: Trouble) -> None:
    """Record that it is over."""
    _info("trouble.ended", cause=trouble.cause, what=trouble.what)


def alert_tried(*, alert: Alert, outcome: str, reply: str) -> None:
    """Record that an alert was sent, deferred, or failed: given up, nobody was told by it."""
    report = {"sent": _info, "failed": _error}.get(outcome, _warn)
    report(
        f"alert.{outcome}", message_id=alert.message_id, cause=alert.cause, to=alert.recipient,
        reply=reply,
    )  # fmt: skip


def tls_is_self_signed(*, path: str) -> None:
    """Record that clients must trust our own authority, whose certificate is at `path`."""
    _warn("tls.self_signed", ca=path)


def _client(submission: Submission) -> dict[str, Any]:
    """Who handed it in: nobody but a person at the command line has no address."""
    peer = submission.peer
    if peer is None:
        return {"client": None}
    return {
        "client": peer.address,
        "port": peer.port,
        "helo": peer.helo,
        "mechanism": peer.mechanism,
    }


def _letter(outgoing: Outgoing) -> dict[str, Any]:
    return {
        "message_id": outgoing.message_id,
        "return_path": str(outgoing.envelope.return_path or ""),
        "recipients": len(outgoing.envelope.recipients),
        "size_bytes": len(outgoing.content),
    }
