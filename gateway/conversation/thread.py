"""The conversation of a mail, by In-Reply-To and References (RFC 5322 §3.6.4).

Everything here runs inside a transaction of the store: what is found is learnt with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.conversation.token import Given
from gateway.mail.delivery import Outgoing
from gateway.mail.ids import new_id
from gateway.mail.inbound import Fetched
from gateway.mail.message import Edit, Message, parse_message
from gateway.mail.token import without_tokens
from gateway.store import journal, threads
from gateway.store.sqlite import Db

MAX_IDS = 100  # looked up a message: the last ones, nearest to it
MAX_ID_BYTES = 500
MAX_PEERS = 100
MIN_LEFT = 16  # characters before the @ that tell one mail from all others by themselves
NONE_GIVEN = Given()
REFERENCE_FIELDS = ("In-Reply-To", "References")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """Where an inbound mail belongs, and the edits that give the helpdesk its own ids back."""

    conversation: str
    sequence: int  # its place among the mails of the conversation, from 1 on
    ref: str = ""  # what the helpdesk calls it
    is_reply: bool  # to a conversation that we know and the sender takes part in
    linked: str = ""  # the conversation that a stranger's mail names an id of
    edits: tuple[Edit, ...] = ()


def take_in(
    db: Db,
    fetched: Fetched,
    *,
    sender: str,
    now: datetime,
    returned: Sequence[str] = (),
    given: Given = NONE_GIVEN,
) -> Thread:
    """Return the thread of a fetched mail and learn it; asked again, it says the same.

    `sender` is the address in From. Ids that an upstream rewrote are mapped back for those
    who take part; an id named by a stranger opens a new conversation, linked to the old one.
    `returned` are the ids of the mail that a bounce gives back: it belongs where that one does.
    Whose token was `given` to whoever wrote it takes part, and comes before every id.
    """
    message = parse_message(fetched.content)
    if mail := _find_sent(db, fetched.tenant, returned):
        return _take_bounce(db, fetched, message, mail=mail, now=now)
    entrusted = _find_entrusted(db, fetched.tenant, given)
    found = entrusted or _find_known(db, fetched.tenant, message)
    before = threads.conversation_of(db, fetched.id)
    is_reply = entrusted is not None or _takes_part(db, fetched.tenant, found, sender)
    if before is None:
        _tell_token(db, fetched, given, is_known=entrusted is not None, now=now)
    known = found.conversation if found and is_reply else None
    conversation = known or before or new_id()
    own = threads.Known(conversation=conversation, ours=message.message_id, direction="in")
    _learn(db, message, tenant=fetched.tenant, own=own, now=now)
    return Thread(
        conversation=conversation,
        sequence=threads.set_conversation(db, fetched.id, conversation),
        ref=threads.ref_of(db, tenant=fetched.tenant, conversation=conversation) or "",
        is_reply=is_reply,
        linked=found.conversation if found and not is_reply else "",
        edits=_edits(db, fetched.tenant, message, entrusted) if is_reply else (),
    )


def take_out(
    db: Db, outgoing: Outgoing, *, conversation: str | None = None, now: datetime
) -> str:
    """Return the conversation of an outgoing mail and learn it.

    A new one is called `conversation`, else by an id of its own. Called in the transaction
    of its `accept` and after it, which makes the row that is booked under the conversation.
    """
    message = parse_message(outgoing.content)
    found = _find_known(db, outgoing.tenant, message)
    conversation = found.conversation if found else conversation or new_id()
    own = threads.Known(conversation=conversation, ours=outgoing.message_id, direction="out")
    _learn(db, message, tenant=outgoing.tenant, own=own, now=now)
    threads.set_conversation(db, outgoing.id, conversation)
    if ref := outgoing.conversation_ref:
        threads.set_ref(db, tenant=outgoing.tenant, conversation=conversation, ref=ref)
    return conversation


def find_conversation(db: Db, tenant: str, message: Message) -> str | None:
    """Return the known conversation that a mail goes on with; None opens a new one."""
    found = _find_known(db, tenant, message)
    return found.conversation if found else None


def find_ours(db: Db, tenant: str, id_: str) -> str | None:
    """Return the Message-ID that a mail left us with, for the one it has elsewhere."""
    known = _find(db, tenant, id_)
    return known.ours if known else None


def learn_rewritten(db: Db, *, tenant: str, ours: str, theirs: str, now: datetime) -> bool:
    """Remember the id that an upstream gave to a mail of ours; False when it is of no use.

    `theirs` is an id with or without its angle brackets, or the part before the @ alone:
    Amazon SES says that one, and the domain that it then writes differs by region.
    """
    known = threads.find(db, tenant=tenant, id_=ours)
    bare = theirs.removeprefix("<").removesuffix(">")
    id_ = f"<{bare}>" if "@" in bare else _of_any_domain(bare)
    if known is None or id_ is None or not _is_id(id_):
        return False
    _learn_id(db, id_, tenant=tenant, own=known, now=now)
    return True


def ids_of(message: Message) -> list[str]:
    """Return the ids that a mail refers to, nearest first, each once."""
    replied = _ids(message, "In-Reply-To")
    older = reversed(_ids(message, "References"))
    return list(dict.fromkeys([*replied, *older]))[:MAX_IDS]


def _find_sent(db: Db, tenant: str, ids: Sequence[str]) -> threads.Known | None:
    found = (_find(db, tenant, id_) for id_ in ids)
    return next((one for one in found if one and one.direction == "out"), None)


def _take_bounce(
    db: Db, fetched: Fetched, message: Message, *, mail: threads.Known, now: datetime
) -> Thread:
    """A mail system takes no part: what it writes later is judged as a stranger's."""
    if _is_id(message.message_id):
        own = replace(mail, ours=message.message_id, direction="in")
        _learn_id(db, own.ours, tenant=fetched.tenant, own=own, now=now)
    edits = [Edit(name, value) for name in REFERENCE_FIELDS for value in (None, mail.ours)]
    return Thread(
        conversation=mail.conversation,
        sequence=threads.set_conversation(db, fetched.id, mail.conversation),
        ref=threads.ref_of(db, tenant=fetched.tenant, conversation=mail.conversation) or "",
        is_reply=True,
        edits=tuple(edits),
    )


def _takes_part(db: Db, tenant: str, found: threads.Known | None, sender: str) -> bool:
    return found is not None and threads.is_peer(
        db, tenant=tenant, conversation=found.conversation, address=sender.casefold()
    )


def _find_entrusted(db: Db, tenant: str, given: Given) -> threads.Known | None:
    if not given.conversation:
        return None
    return threads.find_newest(db, tenant=tenant, conversation=given.conversation)


def _tell_token(
    db: Db, fetched: Fetched, given: Given, *, is_known: bool, now: datetime
) -> None:
    if is_known:
        journal.write(
            db, fetched.id, "message.matched", now=now, conversation=given.conversation
        )
    elif given.conversation or given.is_forged:
        journal.write(db, fetched.id, "message.token_refused", now=now)


def _find_known(db: Db, tenant: str, message: Message) -> threads.Known | None:
    for id_ in ids_of(message):
        if known := _find(db, tenant, id_):
            return known
    return None


def _find(db: Db, tenant: str, id_: str) -> threads.Known | None:
    """Return what an id stands for: itself, else its part before the @ (`learn_rewritten`)."""
    if known := threads.find(db, tenant=tenant, id_=id_):
        return known
    bare = _of_any_domain(id_[1:].partition("@")[0])
    return threads.find(db, tenant=tenant, id_=bare) if bare else None


def _of_any_domain(left: str) -> str | None:
    """Return how an id is kept whose domain is not known; a short one could be anybody's."""
    return f"<{left}@>" if len(left) >= MIN_LEFT else None


def _learn(db: Db, message: Message, *, tenant: str, own: threads.Known, now: datetime) -> None:
    if _is_id(own.ours):
        _learn_id(db, own.ours, tenant=tenant, own=own, now=now)
    named = [
        without_tokens(address).casefold()
        for name in ("From", "To", "Cc")
        for _, address in message.addresses(name)
        if address.isprintable()
    ]
    threads.add_peers(
        db, tenant=tenant, conversation=own.conversation, addresses=named[:MAX_PEERS]
    )


def _learn_id(db: Db, id_: str, *, tenant: str, own: threads.Known, now: datetime) -> None:
    threads.learn(
        db,
        tenant=tenant,
        id_=id_,
        ours=own.ours,
        conversation=own.conversation,
        direction=own.direction,
        now=now,
    )


def _edits(
    db: Db, tenant: str, message: Message, entrusted: threads.Known | None
) -> tuple[Edit, ...]:
    """Give the helpdesk the ids that it knows; one that is missing, by a token."""
    mapped = _mapped_back(db, tenant, message)
    if entrusted is None:
        return mapped
    known = (_find(db, tenant, id_) for id_ in ids_of(message))
    if not any(one and one.conversation == entrusted.conversation for one in known):
        mapped = _named(message, entrusted.ours)
    return (*mapped, *_bare(message))


def _named(message: Message, ours: str) -> tuple[Edit, ...]:
    """Let a mail answer to another one than it says, and refer to that one last."""
    refers = "\r\n ".join([*_ids(message, "References")[-MAX_IDS:], ours])
    values = {"In-Reply-To": ours, "References": refers}
    return tuple(
        Edit(name, value) for name in REFERENCE_FIELDS for value in (None, values[name])
    )


def _bare(message: Message) -> tuple[Edit, ...]:
    """Take tokens out of To and Cc: a helpdesk knows its own address, and answers to all."""
    edits: list[Edit] = []
    for name in ("To", "Cc"):
        values = [field.folded for field in message.all(name)]
        bare = [without_tokens(one) for one in values]
        if bare != values:
            edits += [Edit(name, None), *(Edit(name, one) for one in reversed(bare))]
    return tuple(edits)


def _mapped_back(db: Db, tenant: str, message: Message) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    for name in REFERENCE_FIELDS:
        ids = _ids(message, name)
        known = {id_: _find(db, tenant, id_) for id_ in ids[-MAX_IDS:]}
        ours = [found.ours if (found := known.get(id_)) else id_ for id_ in ids]
        if ours != ids:
            edits += [Edit(name, None), Edit(name, "\r\n ".join(ours))]
    return tuple(edits)


def _ids(message: Message, name: str) -> list[str]:
    words = [word for field in message.all(name) for word in field.value.split()]
    return [word for word in words if _is_id(word)]


def _is_id(text: str) -> bool:
    framed = text.startswith("<") and text.endswith(">")
    return framed and 2 < len(text) <= MAX_ID_BYTES and text.isascii() and text.isprintable()
