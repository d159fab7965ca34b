"""What the gateway says of itself: one function per event; those of mailboxes are in `watch`.

Operators build on the names, so a name is kept. info: the journey; warn: someone should
look; error: we broke a promise. Never logged: bodies, subjects, passwords, tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gateway.log_formats import name_fault, say_debug, say_error, say_info, say_warn
from gateway.mail.delivery import Batch, Decision, Delivery, Lane, Outgoing, Result, Verdict
from gateway.mail.envelope import Refused, Submission
from gateway.mail.reply import Reply
from gateway.mail.trouble import Alert, Trouble

TRIED = {
    Decision.DELIVERED: "delivered",
    Decision.FAIL: "failed",
    Decision.SET_ASIDE: "set_aside",
}


def task_failed(*, task: str, error: BaseException) -> None:
    """Record that a background task ended by a fault of ours."""
    say_error("task.failed", task=task, error=name_fault(error))


def page_failed(*, page: str, error: BaseException) -> None:
    """Record that a page could not be answered; `page` is its pattern, not its address."""
    say_error("web.page_failed", page=page, error=name_fault(error))


def session_opened(*, client: str, port: int) -> None:
    """Record that a client of submission connected."""
    say_debug("session.opened", client=client, port=port)


def session_closed(*, client: str, port: int) -> None:
    """Record that a client of submission is gone."""
    say_debug("session.closed", client=client, port=port)


def submission_accepted(*, submission: Submission, outgoing: Outgoing) -> None:
    """Record that a message was accepted for good: ours to deliver."""
    say_info(
        "submission.accepted", id=outgoing.id, tenant=outgoing.tenant,
        credential=submission.credential, sender=outgoing.header_from,
        **_client(submission), **_letter(outgoing),
    )  # fmt: skip


def submission_refused(*, submission: Submission, reply: Reply) -> None:
    """Record that a message was not taken, and what the client was told."""
    envelope = submission.envelope
    only = envelope.recipients[0].address if len(envelope.recipients) == 1 else None
    say_info(
        "submission.refused", tenant=submission.tenant, credential=submission.credential,
        return_path=str(envelope.return_path or ""), to=only and str(only),
        recipients=len(envelope.recipients), reply=reply.as_line(), **_client(submission),
    )  # fmt: skip


def recipient_refused(refused: Refused, *, client: str) -> None:
    """Record that one recipient was not taken, and what the client was told."""
    say_info(
        "submission.recipient_refused", tenant=refused.tenant, credential=refused.credential,
        sender=refused.return_path or "<>", to=refused.recipient, client=client,
        reply=refused.reply.as_line(),
    )  # fmt: skip


def sign_in_refused(
    *, client: str, username: str, reason: str, mechanism: str = "PLAIN"
) -> None:
    """Record a refused sign-in of a helpdesk; fail2ban reads `client=`."""
    say_warn(
        "submission.sign_in_refused", client=client, username=username, reason=reason,
        mechanism=mechanism,
    )  # fmt: skip


def message_queued(*, outgoing: Outgoing) -> None:
    """Record that a message of our own is on disk: a notification, an answer, a forward."""
    say_info(
        "message.queued", id=outgoing.id, kind=outgoing.kind.value, origin=outgoing.origin,
        lane=outgoing.lane, **_letter(outgoing),
    )  # fmt: skip


def message_finished(*, message_id: str) -> None:
    """Record that nothing of a message waits any more, for any of its recipients."""
    say_info("message.finished", id=message_id)


def session_fault(*, error: BaseException) -> None:
    """Record a fault of ours in a submission session; the client was answered 451."""
    say_error("submission.session_fault", error=name_fault(error))


def certificate_read(*, path: str, expires_at: datetime) -> None:
    """Record that a changed certificate is in use for new sessions."""
    say_info("tls.certificate_read", path=path, expires_at=expires_at.isoformat())


def certificate_not_read(*, path: str, error: BaseException) -> None:
    """Record that a changed certificate or key cannot be used; the old one stays."""
    say_error("tls.certificate_not_read", path=path, error=str(error))


def delivery_tried(*, batch: Batch, delivery: Delivery, result: Result) -> None:
    """Record that a recipient was tried: delivered, deferred, failed or set aside."""
    attempt = result.attempt
    outcome = "failed" if result.give_up else TRIED.get(result.verdict.decision, "deferred")
    waited = (attempt.at - batch.accepted_at).total_seconds()
    say_info(
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
    say_warn("delivery.stale", id=message_id, lane=lane, recipients=recipients, reason=reason)


def store_full(*, reason: str) -> None:
    """Record that new mail is answered 452 until there is room; nothing that waits is lost."""
    say_error("store.full", reason=reason)


def content_removed(*, contents: int, journal_rows: int, size_bytes: int) -> None:
    """Record that what is done with was removed at its age."""
    say_info(
        "store.content_removed", contents=contents, journal_rows=journal_rows,
        size_bytes=size_bytes,
    )  # fmt: skip


def lane_paused(*, lane: Lane, verdict: Verdict, until: datetime | None) -> None:
    """Record that nothing leaves by a lane: its sign-in was refused, or a quota is used up."""
    say_warn("lane.paused", lane=lane, cause=verdict.cause, meaning=verdict.meaning,
          fix=verdict.fix, until=until)  # fmt: skip


def lane_resumed(*, lane: Lane) -> None:
    """Record that a lane is open again: what waited leaves now."""
    say_info("lane.resumed", lane=lane)


def lane_rate_changed(*, lane: Lane, per_minute: float | None) -> None:
    """Record the rate that a server taught us; None is the preset's."""
    say_info("lane.rate_changed", lane=lane, per_minute=per_minute and round(per_minute, 1))


def policy_failed(*, message_id: str, tenant: str, error: str) -> None:
    """Record that a policy failed on a message, which is held (or kept, as configured)."""
    say_warn("policy.failed", id=message_id, tenant=tenant, error=error)


def message_performed(*, message_id: str, tenant: str, outcome: str, rule: str) -> None:
    """Record how a fetched message ended, by which rule."""
    say_info(f"message.{outcome}", id=message_id, tenant=tenant, rule=rule)


def complaint_taken(*, message_id: str, about: str | None, recipients: Sequence[str]) -> None:
    """Record a report that a mail is unwanted; `about` None: the tenant did not send it."""
    say_warn("message.complained", id=message_id, about=about, recipients=",".join(recipients))


def message_unanswered(*, message_id: str, tenant: str, mailbox: str, hours: int) -> None:
    """Record that a buyer's mail waits for so long; Amazon counts 24 hours."""
    say_warn("message.unanswered", id=message_id, tenant=tenant, mailbox=mailbox, hours=hours)


def message_warned(*, message_id: str, tenant: str) -> None:
    """Record that a mail to a buyer at Amazon holds what Amazon may not pass on."""
    say_warn("message.warned", id=message_id, tenant=tenant)


def policy_refused(*, tenant: str, chain: str, fault: str, running: str) -> None:
    """Record that a tenant's chain does not compile; `running` is the version that runs on.

    "none" where there never was a good one: nothing is fetched then, submissions get 451.
    """
    say_error("policy.refused", tenant=tenant, chain=chain, fault=fault, running=running)


def server_started(*, listeners: str, mailboxes: int, tenants: int) -> None:
    """Record that every listener and worker is up."""
    say_info("server.started", listeners=listeners, mailboxes=mailboxes, tenants=tenants)


def worker_ended(*, pid: int, code: int) -> None:
    """Record that a process that takes mail has ended by itself; another one is started."""
    say_error("server.worker_ended", pid=pid, code=code)


def capture_started(*, directory: str) -> None:
    """Record that mail accepted from now on is captured, that no other mail moves."""
    meaning = "NOTHING LEAVES THIS MACHINE: mail is captured, mailboxes are not fetched"
    say_warn("server.captures", meaning=meaning, directory=directory)


def message_captured(*, message_id: str, lane: Lane, file: str) -> None:
    """Record that a message was captured, not sent."""
    say_info("delivery.captured", id=message_id, lane=lane, file=file)


def reload_asked() -> None:
    """Record that SIGHUP came: whatever can be read again is, when it changes."""
    note = "certificates, policies and tenants are read by themselves, gateway.conf at a start"
    say_info("server.reload_asked", note=note)


def server_stopping() -> None:
    """Record that the server drains: it takes nothing new and lets sessions end."""
    say_info("server.stopping")


def tenants_read(*, tenants: int, revision: int) -> None:
    """Record that changed tenants are in use."""
    say_info("tenants.read", tenants=tenants, revision=revision)


def work_failed(*, message_id: str, error: BaseException) -> None:
    """Record that a fault of ours kept a fetched message from its end; it is tried again."""
    say_error("message.not_performed", id=message_id, error=name_fault(error))


def trouble_begun(*, trouble: Trouble) -> None:
    """Record that something needs a person; whoever [alerts] names is told."""
    say_warn("trouble.begun", cause=trouble.cause, what=trouble.what, why=trouble.why)


def trouble_ended(*, trouble: Trouble) -> None:
    """Record that it is over."""
    say_info("trouble.ended", cause=trouble.cause, what=trouble.what)


def alert_tried(*, alert: Alert, outcome: str, reply: str) -> None:
    """Record that an alert was sent, deferred, or failed: given up, nobody was told by it."""
    report = {"sent": say_info, "failed": say_error}.get(outcome, say_warn)
    report(
        f"alert.{outcome}", message_id=alert.message_id, cause=alert.cause, to=alert.recipient,
        reply=reply,
    )  # fmt: skip


def tls_is_self_signed(*, path: str) -> None:
    """Record that clients must trust our own authority, whose certificate is at `path`."""
    say_warn("tls.self_signed", ca=path)


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
        "message_id": outgoing.message_id or None,
        "return_path": str(outgoing.envelope.return_path or ""),
        "recipients": len(outgoing.envelope.recipients),
        "size_bytes": len(outgoing.content),
    }
