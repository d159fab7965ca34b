"""Pure: what an outbound chain decided, done to the message before it is accepted.

From and envelope sender stay within the addresses of the tenant, whatever a policy writes:
what it must not do is an error of its file, or holds the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape

from gateway.mail.address import parse_address
from gateway.mail.delivery import Lane, LaneKind, Outgoing
from gateway.mail.message import Edit, edited_header
from gateway.mail.plan import Effect, EffectKind, Plan, end_of_hold, words_of_end
from gateway.mail.reply import Reply
from gateway.mail.tenant import Tenant
from gateway.sieve.interface import Action, Diagnostic

MAX_REPLY_CHARACTERS = 400  # a reply's line has 512 bytes (RFC 5321 §4.5.3.1.5)
REFUSED = "The message was refused by a policy"
FINAL = (EffectKind.HOLD, EffectKind.STORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What becomes of a submission: a refusal, or the message as it is kept."""

    refusal: Reply | None = None
    outgoing: Outgoing | None = None
    discarded_by: str = ""  # a rule: kept for the log, it goes nowhere


def decide(outgoing: Outgoing, plan: Plan, tenant: Tenant, *, now: datetime) -> Decided:
    """Return the message as the Plan of its outbound chain has it, or why it is not taken."""
    by_kind = {effect.kind: effect for effect in reversed(plan.effects)}
    if reject := by_kind.get(EffectKind.REJECT):
        return Decided(refusal=refusal(reject))
    final = next((by_kind[kind] for kind in FINAL if kind in by_kind), None)
    if final is None:
        discard = by_kind.get(EffectKind.DISCARD)
        rule = f"{discard.file}:{discard.line}" if discard else "the plan has no effect"
        return Decided(outgoing=outgoing, discarded_by=rule)
    edited = _edited(outgoing, final, tenant)
    if final.kind is EffectKind.HOLD and not edited.hold:
        edited = _held(edited, final, now=now)
    return Decided(outgoing=edited)


def find_misuse(actions: Sequence[Action], tenant: Tenant) -> Diagnostic | None:
    """Return what a file of an outbound chain must not do: send as somebody else."""
    for action in actions:
        part = action.arguments.get("part") if action.kind == "setenvelope" else None
        if part == "to":
            return _fault(action, "an outbound chain cannot change who gets the message")
        names_sender = action.kind == "setfrom" or (part == "from" and action.target)
        if names_sender and not tenant.find_sender(action.target):
            sentence = f"'{action.target[:100]}' is not among the senders of the tenant"
            return _fault(action, sentence)
    return None


def refusal(reject: Effect) -> Reply:
    """Return the reply that tells a submission's sender of a rejection, on one line."""
    text = " ".join(str(reject.arguments.get("reason") or "").split())
    shown = "".join(char if char.isprintable() and char.isascii() else "?" for char in text)
    return Reply(550, "5.7.1", shown[:MAX_REPLY_CHARACTERS] or REFUSED)


def footer_edits(actions: Sequence[Action]) -> tuple[Edit, ...]:
    """Return the edits of the first footer that was asked for: one footer a message."""
    footer = next((one for one in actions if one.kind == "footer"), None)
    if footer is None:
        return ()
    text = str(footer.arguments.get("text") or "")
    html = footer.arguments.get("html") or _as_html(text)
    return (Edit("text/plain", text, body=True), Edit("text/html", str(html), body=True))


def _edited(outgoing: Outgoing, effect: Effect, tenant: Tenant) -> Outgoing:
    edited = replace(outgoing, edits=effect.edits)
    path = effect.arguments.get("envelope_from")
    if path is not None and outgoing.envelope.return_path is not None:  # RFC 5321 §4.5.5
        own = parse_address(path) if path else None
        edited = replace(edited, envelope=replace(edited.envelope, return_path=own))
    return _with_way(edited, tenant)


def _held(outgoing: Outgoing, hold: Effect, *, now: datetime) -> Outgoing:
    reason = f"{hold.file}:{hold.line} {hold.reason}"
    until = end_of_hold(hold, begun_at=now)
    if until is not None:
        reason += f"; {words_of_end(hold, at=until)}"
    return replace(outgoing, hold=reason, hold_until=until)


def _with_way(outgoing: Outgoing, tenant: Tenant) -> Outgoing:
    """The author decides upstream and right, also when a policy changed who that is."""
    message = edited_header(outgoing.content, outgoing.edits)
    found = [address for _, address in message.addresses("From")]
    if [one.casefold() for one in found] == [outgoing.header_from.casefold()]:
        return outgoing
    sender = tenant.find_sender(found[0]) if len(found) == 1 else None
    if sender is None:
        return replace(outgoing, hold="a policy wrote a From that is no sender of the tenant")
    lane = Lane(tenant.id, LaneKind.NONE, "")
    if sender.upstream:
        lane = Lane(tenant.id, LaneKind.UPSTREAM, sender.upstream)
    return replace(outgoing, header_from=found[0], lane=lane)


def _fault(action: Action, sentence: str) -> Diagnostic:
    return Diagnostic(file=action.file, line=action.line, column=1, message=sentence)


def _as_html(text: str) -> str:
    lines = escape(text.replace("\r\n", "\n").strip("\n")).split("\n")
    return "<p>" + "<br>\n".join(lines) + "</p>"
