"""Pure: one effect of a Plan -> what is queued for it, or why nothing is.

Nothing here writes: `perform` keeps each result in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.actions.answer import Mark, Way, write_rejection, write_vacation
from gateway.actions.event import write_event
from gateway.actions.gate import (
    Occasion,
    find_addressee,
    find_notice_suppression,
    find_suppression,
    has_own_mark,
)
from gateway.actions.letter import plain
from gateway.actions.notice import (
    NO_PATH,
    Held,
    NoticePath,
    write_hold_notices,
    write_notifications,
)
from gateway.actions.redirect import find_redirect_fault, write_redirect
from gateway.actions.route import (
    SMTP_TYPES,
    find_returning,
    find_route,
    tell_received,
    write_forward,
)
from gateway.config import AnswerSettings
from gateway.mail.address import Address
from gateway.mail.delivery import Outgoing
from gateway.mail.inbound import Fetched
from gateway.mail.plan import Effect, EffectKind, end_of_hold, words_of_end
from gateway.mail.tenant import Tenant
from gateway.mail.trouble import Alert

WEEK_SECONDS = 604_800
MAX_REASON = 500  # characters
NOT_NAMED = "nobody is told: the address is neither the tenant's owner nor in its notify"
REJECTION_KEPT_BACK = "rejection not sent: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """All that is at hand when an effect is carried out."""

    occasion: Occasion
    way: Way | None  # by which an answer leaves; None: no upstream
    mark: Mark
    settings: AnswerSettings
    notices: NoticePath = field(default_factory=NoticePath)
    is_handed_on: bool = False  # a route has the message already: hooks were told of it

    @property
    def tenant(self) -> Tenant:
        """On whose behalf."""
        return self.occasion.tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the second judgement of an answer needs, in the transaction that queues it."""

    handle: str
    sender: str  # the key of the address answered
    silent_for: timedelta  # no second answer under the handle within
    hold_if_kept_back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """One effect carried out: what is queued, what the journal says, how the message ends."""

    event: str
    outgoing: tuple[Outgoing, ...] = ()
    outcome: str | None = None  # routed | answered | held | discarded; None: says nothing
    suppressed: bool = False
    reason: str = ""
    answer: Answer | None = None
    notices: tuple[Alert, ...] = ()  # mails to people of the tenant or to the operator
    untold: tuple[str, ...] = ()  # who had too many of them already

    @property
    def state(self) -> str:
        """What the ledger keeps of the effect, so that a restart knows its outcome."""
        return self.outcome or ("suppressed" if self.suppressed else "done")

    def detail(self, effect: Effect) -> dict[str, Any]:
        """Return what the journal keeps of it."""
        return {
            "effect": effect.kind.value,
            "target": effect.target or None,
            "file": effect.file or None,
            "line": effect.line or None,
            "reason": self.reason or None,
            "queued": [one.id for one in self.outgoing] or None,
            "told": [one.recipient for one in self.notices] or None,
            "not_told": list(self.untold) or None,
        }


def carry(effect: Effect, office: Office) -> Carried:
    """Return what becomes of `effect`; `perform` is to keep it.

    Its reason is one line of text, whatever bytes the mail that it quotes holds, and of
    whatever length.
    """
    carried = CARRIERS[effect.kind](effect, office)
    return replace(carried, reason=plain(carried.reason)[:MAX_REASON])


def keep_back(answer: Answer, reason: str, *, office: Office) -> Carried:
    """Return an answer as suppressed; a rejection that is not sent holds the message."""
    if answer.hold_if_kept_back:
        return _hold_for(office, f"{REJECTION_KEPT_BACK}{reason}")
    return Carried(event="answer.suppressed", suppressed=True, reason=reason)


def tell_held(
    fetched: Fetched, tenant: Tenant, reason: str, *, names: Sequence[str] = (), now: datetime
) -> list[Outgoing]:
    """Return the event of a held message; `names` are those that the policy has notified."""
    data = {
        "id": fetched.id,
        "tenant": fetched.tenant,
        "direction": "in",
        "mailbox": fetched.mailbox,
        "reason": reason,
        "notify": list(names),
    }
    return write_event(tenant, "message.held", data, now=now, origin=fetched.id)


def _store(effect: Effect, office: Office) -> Carried:
    return _forward(effect, office, target=effect.target)


def _agent(effect: Effect, office: Office) -> Carried:
    """There is no agent yet: its fallback takes the message, with the reason as a tag."""
    fallback = effect.arguments.get("fallback") or ""
    return _forward(effect, office, target=fallback, tags=("agent-unavailable",))


def _forward(
    effect: Effect, office: Office, *, target: str, tags: tuple[str, ...] = ()
) -> Carried:
    occasion = office.occasion
    route = find_route(occasion.tenant, occasion.mailbox, target)
    if route is None:
        return _hold_for(office, _no_route(target))
    returned = find_returning(occasion, mark=office.mark) if route.type in SMTP_TYPES else None
    if returned:  # its server refuses our mail: it would send back this one, too, for ever
        return _hold_for(office, f"the helpdesk's server sent back the message {returned}")
    outgoing = write_forward(occasion, effect, route=route, mark=office.mark, tags=tags)
    told = () if office.is_handed_on else tell_received(outgoing, occasion.tenant)
    reason = f"to route {route.name}"
    return Carried(
        event="effect.routed", outgoing=(outgoing, *told), outcome="routed", reason=reason
    )


def _no_route(target: str) -> str:
    if not target or target.upper() == "INBOX":
        return "there is no route: give the tenant or the mailbox a route"
    return f"there is no route '{target[:80]}'"


def _redirect(effect: Effect, office: Office) -> Carried:
    if fault := find_redirect_fault(office.occasion, effect.target):
        return _hold_for(office, fault)
    if office.way is None:
        return _hold_for(office, "cannot redirect: the mailbox has no upstream")
    outgoing = write_redirect(office.occasion, effect, way=office.way, mark=office.mark)
    reason = f"to {effect.target}"
    return Carried(
        event="effect.redirected", outgoing=(outgoing,), outcome="routed", reason=reason
    )


def _vacation(effect: Effect, office: Office) -> Carried:
    arguments = effect.arguments
    answer = Answer(
        handle=str(arguments.get("handle") or ""),
        sender="",
        silent_for=timedelta(seconds=max(60, int(arguments.get("seconds", WEEK_SECONDS)))),
    )

    def write(to: Address, way: Way) -> Outgoing:
        return write_vacation(office.occasion, arguments, to=to, way=way, mark=office.mark)

    return _answer(office, answer, write=write, addresses=arguments.get("addresses", ()))


def _reject(effect: Effect, office: Office) -> Carried:
    if effect.arguments.get("ereject"):
        return _hold_for(office, f"{REJECTION_KEPT_BACK}ereject never mails a fetched message")
    answer = Answer(handle="reject", sender="", silent_for=timedelta(0), hold_if_kept_back=True)
    text = str(effect.arguments.get("reason", ""))

    def write(to: Address, way: Way) -> Outgoing:
        return write_rejection(office.occasion, text, to=to, way=way, mark=office.mark)

    return _answer(office, answer, write=write)


def _answer(
    office: Office,
    answer: Answer,
    *,
    write: Callable[[Address, Way], Outgoing],
    addresses: Iterable[str] = (),
) -> Carried:
    occasion, way = office.occasion, office.way
    reason = find_suppression(occasion, addresses, settings=office.settings)
    to = find_addressee(occasion, office.settings)
    if reason or to is None or way is None:
        return keep_back(answer, reason or "no upstream", office=office)
    letter = write(to, way)
    return Carried(
        event="answer.queued",
        outgoing=(letter, *_tell_answer(office, letter)),
        outcome="answered",
        reason=f"to {to}",
        answer=replace(answer, sender=to.key),
    )


def _tell_answer(office: Office, letter: Outgoing) -> list[Outgoing]:
    data = {
        "id": letter.id,
        "tenant": office.tenant.id,
        "mailbox": office.occasion.mailbox.address,
        "answers": office.occasion.fetched.id,
        "recipient": str(letter.envelope.recipients[0].address),
        "message_id": letter.message_id,
    }
    now = office.occasion.now
    return write_event(office.tenant, "answer.sent", data, now=now, origin=letter.origin)


def _hold(effect: Effect, office: Office) -> Carried:
    reason = effect.reason or str(effect.arguments.get("reason") or "a policy holds it")
    names = tuple(effect.arguments.get("notify") or ())
    held = _hold_for(office, reason, names=names)
    if has_own_mark(office.occasion):  # or a notice that is held would tell of itself
        return held
    now = office.occasion.now
    until = end_of_hold(effect, begun_at=now)
    ends = words_of_end(effect, at=until) if until else ""
    told = write_hold_notices(
        names, replace(_as_held(office, reason), ends=ends), path=office.notices,
        mark=office.mark, now=now,
    )  # fmt: skip
    return replace(held, notices=told)


def _hold_for(office: Office, reason: str, *, names: tuple[str, ...] = ()) -> Carried:
    fetched, now = office.occasion.fetched, office.occasion.now
    told = tell_held(fetched, office.tenant, reason, names=names, now=now)
    return Carried(event="effect.held", outgoing=tuple(told), outcome="held", reason=reason)


def _as_held(office: Office, reason: str) -> Held:
    occasion = office.occasion
    return Held(
        id=occasion.fetched.id,
        tenant=occasion.tenant,
        message=occasion.message,
        where=occasion.mailbox.address,
        reason=reason,
    )


def _notify(effect: Effect, office: Office) -> Carried:
    """Tell whom the configuration names, if the gate lets it."""
    occasion = office.occasion
    told = write_notifications(
        effect.target, effect.arguments, _as_held(office, ""), path=office.notices,
        mark=office.mark, now=occasion.now,
    )  # fmt: skip
    reason = find_notice_suppression(occasion, settings=office.settings)
    if not told:
        reason = NOT_NAMED if office.notices.settings.is_on else NO_PATH
    if reason:
        return Carried(event="answer.suppressed", suppressed=True, reason=reason)
    sender = occasion.authenticity.header_from.casefold()
    answer = Answer(handle="notify", sender=sender, silent_for=timedelta(0))
    reason = f"to {', '.join(one.recipient for one in told)}"
    return Carried(event="effect.notified", notices=told, answer=answer, reason=reason)


def _discard(effect: Effect, office: Office) -> Carried:
    del office
    reason = effect.reason or "discarded by a policy"
    return Carried(event="effect.discarded", outcome="discarded", reason=reason)


CARRIERS: dict[EffectKind, Callable[[Effect, Office], Carried]] = {
    EffectKind.STORE: _store,
    EffectKind.REDIRECT: _redirect,
    EffectKind.REJECT: _reject,
    EffectKind.VACATION: _vacation,
    EffectKind.HOLD: _hold,
    EffectKind.AGENT: _agent,
    EffectKind.NOTIFY: _notify,
    EffectKind.DISCARD: _discard,
}
