"""Pure: the mail that a Plan would send, and what the gate would stop, for `policy test`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway.actions.answer import Way
from gateway.actions.carry import Carried, Office, carry
from gateway.actions.gate import Occasion
from gateway.config import AnswerSettings
from gateway.mail.delivery import Kind, Lane, LaneKind, Outgoing
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.message import apply_edits, parse_message
from gateway.mail.plan import EffectKind, Plan
from gateway.mail.tenant import Mailbox, Tenant

SENDING = (EffectKind.VACATION, EffectKind.REJECT, EffectKind.REDIRECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A message in a file, and on whose behalf it is tried.

    `mailbox` is the address it was delivered to; it counts as an own one with answers on.
    `strict` leaves out what is the gateway's addition to the RFCs.
    """

    content: bytes
    authenticity: Authenticity
    tenant: Tenant
    mailbox: str
    now: datetime
    strict: bool = False


def preview(
    plan: Plan, trial: Trial, *, settings: AnswerSettings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return `outgoing` and `suppressed` of `policy test --json`; nothing is sent."""
    tenant, mailbox = trial.tenant, trial.mailbox
    own = Mailbox(address=mailbox, answers=True)
    occasion = Occasion(
        fetched=_as_fetched(trial),
        message=parse_message(trial.content),
        authenticity=trial.authenticity,
        tenant=replace(tenant, mailboxes={**tenant.mailboxes, mailbox: own}),
        mailbox=own,
        now=trial.now,
        strict=trial.strict,
    )
    way = Way(lane=Lane(tenant.id, LaneKind.UPSTREAM, "preview"))
    office = Office(occasion=occasion, way=way, mark=lambda _: "0" * 20, settings=settings)
    wanted = [one for one in plan.effects if one.kind in SENDING and not plan.errors]
    done = [(one.kind, carry(one, office)) for one in wanted]
    return _outgoing_rows(done), _suppressed_rows(done)


def _as_fetched(trial: Trial) -> Fetched:
    return Fetched(
        id="PREVIEW",
        tenant=trial.tenant.id,
        mailbox=trial.mailbox,
        folder="INBOX",
        uidvalidity=0,
        uid=0,
        internal_date=trial.now,
        content=trial.content,
    )


def _outgoing_rows(done: Sequence[tuple[EffectKind, Carried]]) -> list[dict[str, Any]]:
    return [_row(kind, letter) for kind, carried in done if (letter := _letter(carried))]


def _suppressed_rows(done: Sequence[tuple[EffectKind, Carried]]) -> list[dict[str, Any]]:
    return [
        {"effect": kind.value, "reason": carried.reason}
        for kind, carried in done
        if _letter(carried) is None
    ]


def _letter(carried: Carried) -> Outgoing | None:
    return next((one for one in carried.outgoing if one.kind is not Kind.EVENT), None)


def _row(kind: EffectKind, letter: Outgoing) -> dict[str, Any]:
    message = parse_message(apply_edits(letter.content, letter.edits))
    return {
        "kind": kind.value,
        "mail_from": str(letter.envelope.return_path or ""),
        "rcpt_to": str(letter.envelope.recipients[0].address),
        "headers": [[field.name, field.decoded] for field in message.fields],
    }
