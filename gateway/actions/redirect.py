"""`redirect` (RFC 5228 §4.2) by an upstream that lets us send only as ourselves.

The message goes on with an own envelope sender and From; Reply-To keeps the author, so a
reply still reaches the customer.
"""

from __future__ import annotations

from gateway.actions.answer import Mark, Way, loop_mark
from gateway.actions.gate import LOOP_FIELD, Occasion, find_loop
from gateway.actions.letter import mailbox, plain
from gateway.actions.route import return_address
from gateway.mail.address import parse_address
from gateway.mail.delivery import Kind, Outgoing
from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.ids import new_id
from gateway.mail.message import Edit
from gateway.mail.plan import Effect

MAX_SHOWN = 100  # characters of the author's name


def find_redirect_fault(occasion: Occasion, target: str) -> str | None:
    """Return why the message must not go on to `target`, or None."""
    try:
        parse_address(target)
    except ValueError as error:
        return f"cannot redirect: {error}"
    return find_loop(occasion)


def write_redirect(occasion: Occasion, effect: Effect, *, way: Way, mark: Mark) -> Outgoing:
    """Return the message on its way to `effect.target`; raises ValueError for no address."""
    to = parse_address(effect.target)
    fetched = occasion.fetched
    return Outgoing(
        id=new_id(),
        tenant=occasion.tenant.id,
        lane=way.lane,
        kind=Kind.FORWARD,
        envelope=Envelope(
            return_path=return_address(occasion.mailbox.address, fetched.id, mark=mark),
            recipients=(Recipient(to),),
            body_8bit=not fetched.content.isascii(),
            smtputf8=to.needs_smtputf8,
        ),
        content=fetched.content,
        message_id=plain(occasion.message.message_id),
        header_from=occasion.mailbox.address,
        edits=(*effect.edits, *_author_edits(occasion, mark)),
        origin=fetched.id,
    )


def _author_edits(occasion: Occasion, mark: Mark) -> tuple[Edit, ...]:
    own, tenant = occasion.mailbox.address, occasion.tenant
    authors = occasion.message.addresses("From") or [("", "")]
    shown = plain(authors[0][0] or authors[0][1] or "unknown sender")[:MAX_SHOWN]
    via = f"{shown} via {tenant.name or tenant.id}"
    edits = [
        Edit("From", None),
        Edit("From", mailbox(via, own)),
        Edit("Sender", None),
        Edit("Return-Path", None),
        Edit("Disposition-Notification-To", None),
    ]
    if authors[0][1] and not occasion.message.first("Reply-To"):
        edits.append(Edit("Reply-To", mailbox(authors[0][0], plain(authors[0][1]))))
    return (*edits, Edit(LOOP_FIELD, loop_mark(mark, occasion.fetched.id)))
