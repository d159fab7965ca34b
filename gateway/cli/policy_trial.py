"""`gateway policy test`: what the policies would make of a message; nothing is carried out."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.actions.answer import Way
from gateway.actions.carry import REJECTION_KEPT_BACK, Office, carry
from gateway.actions.gate import Occasion, addresses_of
from gateway.actions.notice import NoticePath
from gateway.app.policies import limits_in
from gateway.cli.opening import Config, Json, OfTenant, find_config, opened, utc_now
from gateway.cli.output import print_json, print_line, print_text
from gateway.cli.refusal import Refusal
from gateway.config import AnswerSettings, load_settings
from gateway.mail.delivery import Lane, LaneKind, Outgoing
from gateway.mail.ids import new_id
from gateway.mail.inbound import Fetched
from gateway.mail.message import apply_edits, parse_message
from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.mail.tenant import Mailbox, Tenant
from gateway.mail.trouble import Alert
from gateway.policy.asked import Context
from gateway.policy.chain import Chain, ChainFile, run_chain
from gateway.policy.compiling import version_of
from gateway.policy.files import ENCODING, Texts, load_chain
from gateway.policy.rendering import fault_rows, plan_lines, plan_row, trace_lines
from gateway.policy.trial import Given, trial_context
from gateway.sieve.diagnostics import render
from gateway.sieve.interface import CompileError, Limits
from gateway.sieve.language import language_of
from gateway.sieve.script import compile_script
from gateway.store import tenants

STAND_IN = Tenant(id="any")  # where there is no tenant: the chain that each would have
ANSWERS = AnswerSettings()
SENDING = (EffectKind.VACATION, EffectKind.REJECT, EffectKind.REDIRECT, EffectKind.NOTIFY)


Message = Annotated[
    Path,
    typer.Argument(
        metavar="MESSAGE", show_default=False, help="A file, or - for standard input."
    ),
]
Script = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", show_default=False, help="Try this file instead of the chain."
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Only the rules of the RFCs: require what is used, prove no sender."
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="ADDRESS",
        show_default=False,
        help="The envelope's sender, <> for none; else Return-Path or From.",
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="ADDRESS",
        show_default=False,
        help="The envelope's recipient; else Delivered-To, X-Original-To or To.",
    ),
]
Auth = Annotated[
    str,
    typer.Option(
        metavar="RESULTS",
        show_default=False,
        help="What is proven of it, such as dkim=pass,spf=fail; else nothing.",
    ),
]
Now = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        show_default=False,
        help="When it comes, as 2025-07-01T12:00:00Z; else this moment.",
    ),
]


def try_message(
    message: Message,
    *,
    tenant: OfTenant = None,
    chain: Annotated[str, typer.Option(help="inbound or outbound.")] = "inbound",
    script: Script = None,
    strict: Strict = False,
    mail_from: From = None,
    rcpt_to: To = None,
    auth: Auth = "",
    now: Now = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print what the policies would do with a message, and why; nothing is carried out."""
    if chain not in ("inbound", "outbound"):
        raise Refusal('--chain: write "inbound" or "outbound"')
    bench = _prepare(config, tenant, needs_config=script is None)
    given = Given(mail_from=mail_from, rcpt_to=rcpt_to, auth=auth, chain=chain)
    trial = _trial(bench, _read(message), given, now=now, strict=strict)
    try:
        files = _load(trial, script)
    except CompileError as error:
        if as_json:
            print_json({"errors": fault_rows(error)})
        raise Refusal(*(render(fault) for fault in error.diagnostics), code=2) from error
    plan = run_chain(
        files, trial.content, trial.context, on_error=bench.on_error, limits=bench.limits
    ).plan
    outgoing, suppressed = _carry(trial, plan)
    if as_json:
        print_json({**plan_row(plan), "outgoing": outgoing, "suppressed": suppressed})
    else:
        _print(plan, outgoing, suppressed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """Where a message is tried: the policies, on whose behalf, by which settings."""

    directory: Path
    tenant: Tenant = STAND_IN
    own_addresses: frozenset[str] = frozenset()
    answers: AnswerSettings = ANSWERS
    on_error: str = "hold"
    limits: Limits = field(default_factory=Limits)
    notices: NoticePath = field(default_factory=NoticePath)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One message on the bench."""

    bench: _Bench
    content: bytes
    context: Context
    strict: bool


def _prepare(config: Path | None, tenant: str | None, *, needs_config: bool) -> _Bench:
    """Without --tenant the only tenant there is, else a stand-in; a script needs no config."""
    try:
        settings = load_settings(find_config(config))
    except Refusal:
        if needs_config or tenant is not None:
            raise
        return _Bench(directory=Path("policies"))
    with opened(config) as gateway:
        known = gateway.store.read_now(tenants.load_all)
        only = next(iter(known.values())) if len(known) == 1 else STAND_IN
        owner = only if tenant is None else gateway.find_tenant(tenant)
    return _Bench(
        directory=settings.resolve(settings.policies.directory),
        tenant=owner,
        own_addresses=frozenset().union(*(addresses_of(one) for one in known.values())),
        answers=settings.answers,
        on_error=settings.policies.on_error,
        limits=limits_in(settings),
        notices=NoticePath(settings=settings.alerts, hostname=settings.server.hostname),
    )


def _read(message: Path) -> bytes:
    raw = sys.stdin.buffer.read() if str(message) == "-" else message.read_bytes()
    content = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")  # as it would be fetched
    if content.startswith(b"From "):  # of a file in mbox format (RFC 4155)
        content = content.partition(b"\r\n")[2]
    return content


def _trial(
    bench: _Bench, content: bytes, given: Given, *, now: str | None, strict: bool
) -> _Trial:
    try:
        context = trial_context(parse_message(content), bench.tenant, given, now=_moment(now))
    except ValueError as error:
        raise Refusal(str(error)) from error
    return _Trial(bench=bench, content=content, context=context, strict=strict)


def _moment(now: str | None) -> datetime:
    try:
        at = datetime.fromisoformat(now) if now else utc_now()
    except ValueError as error:
        sentence = f"--now: '{now}' is no time; write it like 2025-07-01T12:00:00Z"
        raise Refusal(sentence) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _load(trial: _Trial, script: Path | None) -> Chain:
    bench, kind = trial.bench, trial.context.chain
    if script is None:
        return load_chain(
            bench.directory, bench.tenant, kind, limits=bench.limits, strict=trial.strict
        )
    texts = Texts(bench.directory, bench.tenant)
    text = read_script(script)
    compiled = compile_script(
        text,
        name=str(script),
        loader=texts,
        limits=bench.limits,
        strict=trial.strict,
        language=language_of(kind),
    )
    file = ChainFile(path=str(script), script=compiled)
    return Chain(
        kind=kind, files=(file,), version=version_of({str(script): text}), lists=texts.lists()
    )


def read_script(script: Path) -> str:
    """Return the text of a script; raises Refusal where it is not UTF-8."""
    try:
        return script.read_text(encoding=ENCODING)
    except UnicodeDecodeError as error:
        sentence = f"{script}: the file is not UTF-8 text (byte {error.start})"
        raise Refusal(sentence, code=2) from error


Rows = list[dict[str, Any]]


def _carry(trial: _Trial, plan: Plan) -> tuple[Rows, Rows]:
    """Return the mails that would be sent, and those that the gate keeps back."""
    outgoing: Rows = []
    suppressed: Rows = []
    if plan.errors:
        return outgoing, suppressed
    if trial.context.chain == "outbound":
        sent = (one for one in plan.effects if one.kind is EffectKind.STORE)
        return [_sent_row(one, trial) for one in sent], suppressed
    office = _office(trial)
    for effect in plan.effects:
        if effect.kind not in SENDING:
            continue
        carried = carry(effect, office)
        if carried.notices:
            outgoing.extend(_notice_row(one, office) for one in carried.notices)
        elif carried.outcome in ("answered", "routed"):
            outgoing.append(_mail_row(effect, carried.outgoing[0]))
        else:
            reason = carried.reason.removeprefix(REJECTION_KEPT_BACK)
            suppressed.append({"effect": effect.kind.value, "reason": reason})
    return outgoing, suppressed


def _office(trial: _Trial) -> Office:
    now = trial.context.now
    address = next(iter(trial.context.rcpt_to), "mailbox@localhost.localdomain")
    # A mailbox that nobody connected is a trial's own: its answers are on.
    known = trial.bench.tenant.mailboxes
    mailbox = known.get(address) or Mailbox(address=address, answers=True)
    tenant = replace(trial.bench.tenant, mailboxes={**known, address: mailbox})
    fetched = Fetched(
        id=new_id(),
        tenant=tenant.id,
        mailbox=mailbox.address,
        folder="INBOX",
        uidvalidity=1,
        uid=1,
        internal_date=now,
        content=trial.content,
    )
    occasion = Occasion(
        fetched=fetched,
        message=parse_message(_as_received(trial)),
        authenticity=trial.context.authenticity,
        tenant=tenant,
        mailbox=mailbox,
        now=now,
        own_addresses=trial.bench.own_addresses,
        strict=trial.strict,
    )
    way = Way(lane=Lane(tenant.id, LaneKind.UPSTREAM, "trial"))
    return Office(
        occasion=occasion,
        way=way,
        mark=_mark,
        settings=trial.bench.answers,
        notices=trial.bench.notices,
    )


def _as_received(trial: _Trial) -> bytes:
    """Return the message with its envelope sender, as who received it writes it on top."""
    return f"Return-Path: <{trial.context.mail_from}>\r\n".encode() + trial.content


def _mark(text: str) -> str:
    """A trial needs no key: what it writes never leaves."""
    return sha256(text.encode()).hexdigest()[:20]


def _mail_row(effect: Effect, letter: Outgoing) -> dict[str, Any]:
    message = parse_message(apply_edits(letter.content, letter.edits))
    return_path = letter.envelope.return_path
    return {
        "kind": effect.kind.value,
        "mail_from": str(return_path) if return_path else "",
        "rcpt_to": str(letter.envelope.recipients[0].address),
        "headers": [[one.name, one.value] for one in message.fields],
    }


def _sent_row(effect: Effect, trial: _Trial) -> dict[str, Any]:
    """Return a submission as it would leave."""
    message = parse_message(apply_edits(trial.content, effect.edits))
    return {
        "kind": "message",
        "mail_from": effect.arguments.get("envelope_from", trial.context.mail_from),
        "rcpt_to": next(iter(trial.context.rcpt_to), ""),
        "headers": [[one.name, one.value] for one in message.fields],
    }


def _notice_row(notice: Alert, office: Office) -> dict[str, Any]:
    message = parse_message(notice.content)
    return {
        "kind": EffectKind.NOTIFY.value,
        "mail_from": office.notices.settings.sender or "",
        "rcpt_to": notice.recipient,
        "headers": [[one.name, one.value] for one in message.fields],
    }


def _print(plan: Plan, outgoing: Rows, suppressed: Rows) -> None:
    for line in trace_lines(plan.trace):
        print_text(line)
    print_line("")
    for line in plan_lines(plan) or ["nothing: the message is discarded"]:
        print_line(f"plan: {line}", style="bold")
    for row in suppressed:
        print_line(f"kept back: {row['effect']}: {row['reason']}", style="yellow")
    for row in outgoing:
        print_line(f"would send: {row['kind']} from <{row['mail_from']}> to <{row['rcpt_to']}>")
        for name, value in row["headers"]:
            print_text(f"  {name}: {value}")
