"""`gateway send`: a real mail through the whole way, followed to the upstream's answer."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from typing import Annotated, Any

import typer

from gateway.cli.arrival import Ending, as_document, find_box, follow_on, print_arrival
from gateway.cli.following import Course, follow
from gateway.cli.opening import LONGEST_WAIT, Config, Json, Opened, opened, utc_now
from gateway.cli.output import print_json, print_next, print_step, stamp, until
from gateway.cli.readiness import NOT_RUNNING, ask_server
from gateway.cli.refusal import Refusal, read_address
from gateway.cli.sender_choice import Choice, choose
from gateway.mail.address import Address
from gateway.mail.delivery import Outgoing, State
from gateway.mail.envelope import Envelope, Recipient, Submission
from gateway.mail.reply import Reply
from gateway.mail.tenant import Tenant
from gateway.policy.chain import Chain
from gateway.sieve.interface import CompileError
from gateway.store import tenants

BY = "gateway send"  # where the name of a helpdesk's login stands else
TEXT = """\
This mail was sent by "gateway send" on {hostname}, as {sender} of the tenant {tenant}.

Whoever reads it knows that mail leaves by this way, and comes from where it should.
"""


To = Annotated[
    str, typer.Option(metavar="ADDRESS", show_default=False, help="Who gets it, such as you.")
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="SENDER", show_default=False, help="Else the tenant's first sender."
    ),
]
Owner = Annotated[
    str | None,
    typer.Option(
        metavar="TENANT", show_default=False, help="Else the one that has the sender."
    ),
]
Subject = Annotated[str, typer.Option(help="Its subject.")]
Words = Annotated[str, typer.Option(help="Its text.", show_default=False)]
Wait = Annotated[
    int,
    typer.Option(
        min=0,
        max=LONGEST_WAIT,
        metavar="SECONDS",
        help="Wait so long for the upstream, then for its arrival.",
    ),
]


def send(
    *,
    to: To,
    sender: From = None,
    tenant: Owner = None,
    subject: Subject = "Does mail leave here?",
    text: Words = "",
    wait: Wait = 60,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send a real mail through the whole way, and tell what its upstream answers.

    It goes in as a helpdesk's mail does: rights of the sender, policies, store, signature,
    upstream; to a connected mailbox it is followed there: folder, From, SPF, DKIM, DMARC.
    Exits 1 unless the upstream took it, and it came where it is followed.
    """
    recipient = read_address(to)
    with opened(config) as gateway:
        _check_server(gateway)
        gateway.check_tenant(tenant)
        known = gateway.store.read_now(tenants.load_all)
        choice = choose(known, tenant=tenant, sender=sender)
        content = _write(gateway, choice, recipient, subject=subject, text=text)
        accepted = _hand_in(gateway, _submission(choice, recipient, content))
        if not as_json:
            _print_accepted(accepted, choice)
        course = follow(gateway, accepted.id, seconds=wait)
        if not as_json:
            _print_course(course, choice.tenant)
        end = follow_on(gateway, course, find_box(known, recipient.key), seconds=wait)
    if as_json:
        print_json(_as_document(course, end))
    else:
        _print_end(course, end)
    if course.recipient.state != State.DELIVERED:
        raise Refusal(_why_not(course))
    if end.is_missing:
        raise Refusal(f"the upstream took it, but it has not come into {end.box} in {wait} s")


def _check_server(gateway: Opened) -> None:
    missing = ask_server(gateway.settings.console.address)
    if missing == [NOT_RUNNING]:
        raise Refusal(f"{NOT_RUNNING}, so nothing would leave; gateway serve starts it")
    if missing:
        raise Refusal(
            f"the server is not ready ({', '.join(missing)}); gateway status --wait 30"
        )


def _write(gateway: Opened, choice: Choice, to: Address, *, subject: str, text: str) -> bytes:
    needs_utf8 = choice.address.needs_smtputf8 or to.needs_smtputf8
    message = EmailMessage(policy=SMTPUTF8 if needs_utf8 else SMTP)
    message["From"] = str(choice.address)
    message["To"] = str(to)
    message["Subject"] = " ".join(subject.split())
    hostname, tenant = gateway.settings.server.hostname, choice.tenant.id
    message.set_content(
        text or TEXT.format(hostname=hostname, sender=choice.address, tenant=tenant)
    )
    return message.as_bytes()


def _submission(choice: Choice, to: Address, content: bytes) -> Submission:
    return Submission(
        tenant=choice.tenant.id,
        credential=BY,
        envelope=Envelope(
            return_path=choice.address,
            recipients=(Recipient(to),),
            body_8bit=not content.isascii(),
            smtputf8=choice.address.needs_smtputf8 or to.needs_smtputf8,
        ),
        content=content,
        peer=None,
        received_at=utc_now(),
    )


def _hand_in(gateway: Opened, submission: Submission) -> Outgoing:
    """Return what was accepted; raises Refusal with the words that a helpdesk would get."""
    from gateway.app import reactor  # noqa: PLC0415 - it brings Twisted
    from gateway.app.sending import hand_in  # noqa: PLC0415

    faults: list[str] = []

    def report(
        _tenant: Tenant, _kind: str, error: CompileError, _running: Chain | None
    ) -> None:
        faults.extend(f"{one.file}:{one.line}: {one.message}" for one in error.diagnostics)

    done = reactor.ask(
        lambda: hand_in(gateway.settings, gateway.store, submission, report=report)
    )
    if isinstance(done, Reply):
        step = "gateway policy check" if faults else f"gateway tenant show {submission.tenant}"
        raise Refusal(
            f"it was refused, as it would be from a helpdesk: {done.as_line()}",
            *faults,
            f"next: {step}",
        )
    return done


def _print_accepted(accepted: Outgoing, choice: Choice) -> None:
    to = accepted.envelope.recipients[0].address
    print_step("accepted", f"{accepted.id}, on disk: from {accepted.header_from} to {to}")
    if choice.others:
        print_step("", f"--from chooses another sender: {', '.join(choice.others)}")


def _print_course(course: Course, tenant: Tenant) -> None:
    tried = course.tried
    if course.reply:
        tls = f" over {tried['tls']}" if tried.get("tls") else ""
        print_step("signed", _signed(course, tenant))
        way = "the sandbox for it" if course.is_captured else f"{tried['host']}{tls}"
        print_step("upstream", f"{course.entry.upstream}: {way}")
        print_step("answer", course.reply)
    if tried.get("remote_id"):
        print_step("its id", tried["remote_id"])
    state = "captured" if course.is_captured else course.recipient.state
    print_step(state, _state(course), style="green" if state == State.DELIVERED else "yellow")
    if course.fix:
        print_step("fix", course.fix)


def _print_end(course: Course, end: Ending) -> None:
    if end.arrival:
        print_arrival(end.arrival)
    if end.unseen:
        print_step("arrived", f"not looked for in {end.box}, {end.unseen}", style="yellow")
    ids = [course.entry.id, *([end.arrival.found.fetched.id] if end.arrival else [])]
    print_next(*(f"gateway log trace {id_}" for id_ in ids))


def _signed(course: Course, tenant: Tenant) -> str:
    if signed := course.tried.get("signed"):
        return f"DKIM of {', '.join(signed)}"
    domain = course.entry.header_from.rpartition("@")[2]
    if domain not in tenant.domains:
        return f"no: {domain} is not a domain of {tenant.id}, whoever has it signs"
    return "no: it did not come so far, or the provider signs by itself"


def _state(course: Course) -> str:
    if course.recipient.state == State.DELIVERED:
        return f"{course.meaning} It took {course.seconds:.1f} s."
    cause = f" ({course.tried['cause']})" if course.tried.get("cause") else ""
    said = course.meaning or f"no answer came in {course.seconds:.0f} s."
    again = course.recipient.next_attempt_at
    return f"{said}{cause}{_next_try(again) if course.tried else ''}"


def _next_try(at: datetime | None) -> str:
    return f" The next try is {until(at)}." if at else ""


def _why_not(course: Course) -> str:
    match course.recipient.state:
        case State.FAILED:
            return "the upstream will not take it"
        case State.HELD:
            return "it is held until a person releases it"
        case State.CANCELLED:
            return "a policy discarded it"
        case _:
            return "the upstream has not taken it yet; it waits"


def _as_document(course: Course, end: Ending) -> dict[str, Any]:
    entry, tried = course.entry, course.tried
    is_done = course.recipient.state == State.DELIVERED
    return {
        "id": entry.id,
        "message_id": entry.message_id,
        "tenant": entry.tenant,
        "from": entry.header_from,
        "to": course.recipient.address,
        "state": course.recipient.state,
        "captured": course.is_captured,
        "attempts": course.recipient.attempts,
        "signed": tried.get("signed", []),
        "upstream": entry.upstream,
        "host": tried.get("host"),
        "tls": tried.get("tls"),
        "reply": course.reply,
        "remote_id": tried.get("remote_id"),
        "cause": None if is_done else tried.get("cause"),
        "meaning": course.meaning,
        "fix": course.fix,
        "next_attempt_at": stamp(course.recipient.next_attempt_at),
        "seconds": round(course.seconds, 3),
        "arrived": as_document(end.arrival) if end.arrival else None,
        "not_looked_for": end.unseen,
    }
