"""Pure: may this message be answered automatically? (RFC 3834, RFC 5230 §4)

One gate in front of every automatic answer. It says no with a reason for people; what it lets
through is judged again by `find_ceiling` inside the transaction that queues the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.config import AnswerSettings
from gateway.mail.address import Address, parse_address
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.marketplace import is_alias
from gateway.mail.message import Message
from gateway.mail.tenant import Mailbox, Tenant

MAX_RECEIVED = 50
RECIPIENT_FIELDS = ("To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc")  # RFC 5230 §4.5
DELIVERY_FIELDS = ("Delivered-To", "X-Original-To")
LIST_FIELDS = (
    "List-Id", "List-Help", "List-Unsubscribe", "List-Subscribe", "List-Post", "List-Owner",
    "List-Archive",
)  # fmt: skip
LOOP_FIELD = "X-Gateway-Loop"
BULK = frozenset({"bulk", "list", "junk"})
NO_ANSWER = frozenset({"all", "oof", "autoreply"})
WORD = re.compile(r"[a-z]+")

ROBOTS = frozenset({"mailer-daemon", "postmaster", "listserv", "majordomo"})
ROBOT_PREFIXES = ("owner-", "bounce", "microsoftexchange")  # the last one: of its bounces
ROBOT_SUFFIXES = ("-owner", "-request", "-bounces")
NO_REPLY = frozenset({"noreply", "donotreply"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """All that the gate looks at: a message, and on whose behalf it would be answered."""

    fetched: Fetched
    message: Message
    authenticity: Authenticity
    tenant: Tenant
    mailbox: Mailbox
    now: datetime
    own_addresses: frozenset[str] = frozenset()  # keys; of every tenant
    connected_at: datetime | None = None  # when the mailbox was
    is_own_mark: Callable[[str], bool] = lambda _: False
    strict: bool = False  # the rules of the RFCs only, as `policy test --strict` asks


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was answered before, counted in the transaction that queues the answer."""

    answered_before: bool  # the same handle, the same sender, within its days
    to_sender_last_hour: int
    to_sender_last_day: int
    by_mailbox_last_hour: int


def find_suppression(
    occasion: Occasion, addresses: Iterable[str], *, settings: AnswerSettings
) -> str | None:
    """Return why no vacation or rejection may be written, or None when it may.

    `addresses` are the further own addresses of the command (`:addresses`, RFC 5230 §4.5).
    """
    switch = _find_switch(occasion)
    return switch or find_notice_suppression(occasion, addresses, settings=settings)


def find_notice_suppression(
    occasion: Occasion, addresses: Iterable[str] = (), *, settings: AnswerSettings
) -> str | None:
    """Return why nobody is notified of a message, or None: as for an answer.

    Whether the mailbox answers says nothing here: it is not the mailbox that writes.
    """
    return (
        _find_robot(occasion)
        or _find_automatic(occasion.message)
        or _find_own(occasion)
        or find_loop(occasion)
        or _find_buyer(occasion)
        or _find_stranger(occasion, addresses)
        or _find_lateness(occasion, settings)
        or _find_doubt(occasion, settings)
    )


def find_loop(occasion: Occasion) -> str | None:
    """Return why a message must not go on or be answered: it has been here before."""
    if has_own_mark(occasion):
        return "loop: the message carries our own mark"
    if sum(1 for _ in occasion.message.all("Received")) > MAX_RECEIVED:
        return f"loop: more than {MAX_RECEIVED} Received fields"
    return None


def has_own_mark(occasion: Occasion) -> bool:
    """Whether we wrote this mail ourselves, or one that it carries on."""
    return any(occasion.is_own_mark(one.value) for one in occasion.message.all(LOOP_FIELD))


def find_ceiling(history: History, settings: AnswerSettings) -> str | None:
    """Return which ceiling another answer would pass, or None."""
    if history.answered_before:
        return "the sender had this answer already"
    if history.to_sender_last_hour >= settings.per_sender_per_hour:
        return f"the sender had {settings.per_sender_per_hour} automatic answers in an hour"
    if history.to_sender_last_day >= settings.per_sender_per_day:
        return f"the sender had {settings.per_sender_per_day} automatic answers in a day"
    if history.by_mailbox_last_hour >= settings.per_mailbox_per_hour:
        return f"the mailbox sent {settings.per_mailbox_per_hour} answers in an hour"
    return None


def find_addressee(occasion: Occasion, settings: AnswerSettings) -> Address | None:
    """Return the address that a vacation or rejection goes to, or None when none is proven.

    It is the envelope sender where that is known and proven. Where the provider does not tell
    it, it is the proven From, unless the Return-Path names another organisation.
    """
    proof = occasion.authenticity
    trusting = occasion.strict or not settings.require_auth
    if proof.mail_from:
        return _parsed(proof.mail_from) if proof.mail_from_proven or trusting else None
    author = _parsed(proof.proven or (proof.header_from if trusting else ""))
    claimed = _parsed(return_path(occasion) or "")
    if author and claimed and not _in_line(author.domain, claimed.domain):
        return None
    return author


def return_path(occasion: Occasion) -> str | None:
    """Return the envelope sender as far as it is told; empty: null; None: nobody tells it."""
    if occasion.authenticity.mail_from:
        return occasion.authenticity.mail_from
    field = occasion.message.first("Return-Path")
    return field.value.strip("<> \t") if field else None


def addresses_of(tenant: Tenant) -> frozenset[str]:
    """Return the keys of the tenant's own addresses; a `*@domain` is not among them."""
    senders = (address for address in tenant.senders if not address.startswith("*"))
    return frozenset(one.casefold() for one in (*tenant.mailboxes, *senders))


def is_own(tenant: Tenant, address: str, *, also: Iterable[str] = ()) -> bool:
    """Whether `address` is one of the tenant's, by itself, its base or its domain's entry."""
    key = address.casefold()
    local, _, domain = key.rpartition("@")
    base = f"{local.split('+', 1)[0]}@{domain}"
    known = {one.casefold() for one in (*tenant.mailboxes, *also)}
    return bool({key, base} & known) or tenant.find_sender(address) is not None


def recipients_of(message: Message) -> list[str]:
    """Return the addresses in To, Cc, Bcc and their Resent- forms, in that order."""
    return [address for name in RECIPIENT_FIELDS for _, address in message.addresses(name)]


def received_by(message: Message, tenant: Tenant, mailbox: str) -> str:
    """Return the address that a mail came to: as the server wrote it, if it is ours.

    Without Delivered-To or X-Original-To, or with those of others, it is the mailbox's own.
    """
    stated = (one for name in DELIVERY_FIELDS for _, one in message.addresses(name))
    return next((one for one in stated if is_own(tenant, one)), mailbox)


def is_robot(address: str) -> bool:
    """Whether an address is a mail system's or a list's: nobody reads there (RFC 3834 §2)."""
    local = _local(address)
    return local in ROBOTS or local.startswith(ROBOT_PREFIXES) or local.endswith(ROBOT_SUFFIXES)


def _find_switch(occasion: Occasion) -> str | None:
    is_on = occasion.mailbox.answers or occasion.strict
    return None if is_on else "answers are off for this mailbox"


def _find_robot(occasion: Occasion) -> str | None:
    """RFC 3834 §2: senders behind which nobody reads."""
    sender = return_path(occasion)
    if sender == "":
        return "the envelope sender is empty"
    for address in (sender or "", occasion.authenticity.header_from):
        local = _local(address)
        if is_robot(address) or (not occasion.strict and _is_no_reply(local)):
            return f"the sender is an automatic address ({local})"
    return None


def _local(address: str) -> str:
    return address.rpartition("@")[0].split("+", 1)[0].casefold()


def _is_no_reply(local: str) -> bool:
    return local.translate(str.maketrans("", "", "-_.")) in NO_REPLY


def _find_automatic(message: Message) -> str | None:
    if message.auto_submitted:
        return f"automatic mail (Auto-Submitted: {message.auto_submitted})"
    for precedence in message.words("Precedence"):
        if precedence in BULK:
            return f"bulk mail (Precedence: {precedence})"
    if any(message.first(name) for name in LIST_FIELDS):  # RFC 2369, RFC 2919
        return "list mail"
    values = (field.decoded for field in message.all("X-Auto-Response-Suppress"))
    if any(NO_ANSWER.intersection(WORD.findall(value.lower())) for value in values):
        return "the sender asks for no automatic answer (X-Auto-Response-Suppress)"
    if "multipart/report" in message.words("Content-Type"):
        return "a report on delivery, disposition or abuse"
    if message.first("Feedback-ID"):
        return "bulk mail (Feedback-ID)"
    return None


def _find_own(occasion: Occasion) -> str | None:
    senders = (return_path(occasion) or "", occasion.authenticity.header_from)
    own = (is_own(occasion.tenant, one, also=occasion.own_addresses) for one in senders if one)
    return "the sender is an address of ours" if any(own) else None


def _find_buyer(occasion: Occasion) -> str | None:
    """Amazon counts no automatic answer, and takes it off what a seller may send."""
    proof = occasion.authenticity
    if not occasion.strict and any(map(is_alias, (proof.header_from, proof.mail_from))):
        return "the sender is a buyer at Amazon, who gets no automatic answer"
    return None


def _find_stranger(occasion: Occasion, addresses: Iterable[str]) -> str | None:
    """RFC 5230 §4.5: only mail that names us is answered."""
    also: Sequence[str] = tuple(addresses)
    named = recipients_of(occasion.message)
    if any(is_own(occasion.tenant, one, also=also) for one in named):
        return None
    return "no address of ours is in To or Cc"


def _find_lateness(occasion: Occasion, settings: AnswerSettings) -> str | None:
    fetched = occasion.fetched
    if fetched.junk:
        return "it lies in junk"
    connected = occasion.connected_at
    if fetched.backfill or (connected and fetched.internal_date < connected):
        return "it reached the mailbox before that was connected, or by replay or repair"
    if occasion.now - fetched.internal_date > settings.max_age:
        return "it is too old ([answers] max_age)"
    return None


def _find_doubt(occasion: Occasion, settings: AnswerSettings) -> str | None:
    proof = occasion.authenticity
    if settings.require_auth and not occasion.strict and not proof.proven:
        return "sender not verified: neither SPF nor DKIM passed in line with From"
    if find_addressee(occasion, settings) is None:
        return "the address to answer is not the one that was proven"
    return None


def _parsed(address: str) -> Address | None:
    try:
        return parse_address(address)
    except ValueError:
        return None


def _in_line(one: str, other: str) -> bool:
    """Whether one domain is the other or lies below it."""
    return one == other or one.endswith("." + other) or other.endswith("." + one)
