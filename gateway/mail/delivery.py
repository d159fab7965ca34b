"""What is owed to each recipient, its states, and what became of one try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.mail.envelope import Envelope, Recipient
from gateway.mail.message import Edit
from gateway.mail.reply import Outcome, Reply


class State(StrEnum):
    """Where one delivery stands; the words of `queue list --json`."""

    SCHEDULED = "scheduled"  # accepted, not before its hour (RFC 4865)
    QUEUED = "queued"  # accepted: ours to deliver
    CLAIMED = "claimed"  # leased to a session
    DEFERRED = "deferred"  # tried, to be tried again
    HELD = "held"  # waits for a person
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"  # removed by a person


MOVES: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.QUEUED, State.HELD, State.CANCELLED, State.FAILED}),
    State.QUEUED: frozenset({State.CLAIMED, State.HELD, State.CANCELLED, State.FAILED}),
    State.CLAIMED: frozenset(
        {State.DELIVERED, State.DEFERRED, State.FAILED, State.QUEUED, State.HELD}
    ),
    State.DEFERRED: frozenset(
        {State.CLAIMED, State.QUEUED, State.HELD, State.CANCELLED, State.FAILED}
    ),
    State.HELD: frozenset({State.QUEUED, State.SCHEDULED, State.CANCELLED, State.FAILED}),
    State.DELIVERED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}

WAITING = frozenset({State.SCHEDULED, State.QUEUED, State.CLAIMED, State.DEFERRED, State.HELD})


class LaneKind(StrEnum):
    """By what kind of way a delivery leaves."""

    UPSTREAM = "upstream"  # the tenant's own account at a provider
    ROUTE = "route"  # to the helpdesk
    HOOK = "hook"  # an event, to a webhook
    CAPTURE = "capture"  # to the sandbox in an upstream's place: nothing leaves
    SENT = "sent"  # a copy of what was sent, into the mailbox's own folder for it
    NONE = "none"  # a sender without an upstream: waits


OF_SENDERS = frozenset({LaneKind.UPSTREAM, LaneKind.NONE})  # whose senders hear of a failure


@dataclass(frozen=True, slots=True)
class Lane:
    """One tenant's one way out: it has a queue, limits and a health of its own.

    Without a name it leads nowhere: the sender has no upstream.
    """

    tenant: str
    kind: LaneKind
    name: str

    def __str__(self) -> str:
        return f"{self.tenant}/{self.kind}/{self.name}"

    @property
    def how_to_see(self) -> str | None:
        """The verb that tells each step towards an upstream; None: there is none."""
        if self.kind is not LaneKind.UPSTREAM:
            return None
        return f"gateway upstream test {self.tenant} {self.name} tells why"


class Kind(StrEnum):
    """What a stored message is."""

    SUBMISSION = "submission"  # from a helpdesk
    ANSWER = "answer"  # written by us for a policy
    BOUNCE = "bounce"  # a delivery status notification of ours (RFC 3464)
    FORWARD = "forward"  # a fetched message on its way to a route or a redirect
    EVENT = "event"  # JSON for a webhook
    COPY = "copy"  # of what was sent, for the sender's mailbox
    FETCHED = "fetched"  # as it was in a mailbox
    REFUSED = "refused"  # a recipient that was not taken: a line for people, without content


WRITTEN = frozenset({Kind.SUBMISSION, Kind.ANSWER})  # by a colleague, or by us in place of one


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message at the door of the queue, `store.queue.accept`, on its way to one lane."""

    id: str  # ours, of `mail.ids`
    tenant: str
    lane: Lane
    kind: Kind
    envelope: Envelope
    content: bytes
    message_id: str  # with angle brackets; of an event: empty
    header_from: str  # the address in From, for people and for the choice of DKIM domain
    edits: tuple[Edit, ...] = ()
    origin: str | None = None  # the id of the message that this one answers, reports or carries
    credential: str | None = None
    hold: str | None = None  # a reason: the message waits for a person
    conversation_ref: str | None = None  # what the helpdesk calls its conversation
    hold_until: datetime | None = None  # or for this time: the hold of a policy that ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One recipient of one message, as claimed."""

    number: int  # the store's own
    recipient: Recipient
    attempts: int  # tries before this one
    sendable_seconds: float  # time in which it could have been tried, for the give-up clock
    is_delay_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One message, one lane, its due recipients: one session, one signature, one record."""

    message: str  # our id
    lane: Lane
    kind: Kind
    token: str  # of the lease; no longer current, it changes nothing
    lease_until: datetime
    envelope: Envelope  # its recipients are those of `deliveries`
    content: bytes
    edits: tuple[Edit, ...]
    message_id: str
    header_from: str
    accepted_at: datetime
    origin: str | None
    deliveries: tuple[Delivery, ...]
    conversation: str | None = None
    conversation_ref: str | None = None  # what the helpdesk calls it
    sequence: int | None = None  # its place among the mails of the conversation


class Phase(StrEnum):
    """How far a session had come when a reply was given (providers.md §9)."""

    TOKEN = "token"  # noqa: S105 (the token endpoint gave none: no connection was made)
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    AFTER_DOT = "after-dot"  # the reply to the final dot, or its absence: unknown
    HTTP = "http"
    IMAP = "imap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one recipient: when, by which host, over what TLS, what it said."""

    at: datetime
    host: str
    phase: Phase
    reply: Reply
    tls: str | None = None
    signed: tuple[str, ...] = ()  # the domains whose DKIM signatures it left with
    seconds: float = 0.0
    remote_id: str | None = None  # the id that the remote gave it, where its text says one
    dsn_offered: bool = False  # it was handed what the sender asked to be told (RFC 3461)

    @property
    def outcome(self) -> Outcome:
        """The outcome by the reply's first digit."""
        return self.reply.outcome

    @property
    def is_unanswered(self) -> bool:
        """Whether no server said a word, so that nothing was taken either."""
        return self.reply.code == 0 and self.phase is not Phase.AFTER_DOT


class Decision(StrEnum):
    """What a reply means for the delivery, as `delivery.verdict` judges."""

    DELIVERED = "delivered"
    DEFER = "defer"
    SLOW_DOWN = "slow-down"  # defer, and halve the lane's rate
    WAIT_QUOTA = "wait-quota"  # the lane is used up until a time
    FAIL = "fail"
    SIGN_IN_REFUSED = "sign-in-refused"  # or impossible: pause the lane, bounce nothing
    UNKNOWN = "unknown"  # lost after the dot: perhaps delivered
    SET_ASIDE = "set-aside"  # a route's final no: held for replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do after one try, and why, in words for people."""

    decision: Decision
    cause: str  # a cause of providers.md §8, or "accepted"
    meaning: str  # one sentence: what happened
    fix: str | None = None  # one sentence: what a person can do


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is recorded of one delivery after one try."""

    delivery: int
    attempt: Attempt
    verdict: Verdict
    next_attempt_at: datetime | None  # None: finished or held
    give_up: bool = False  # deferred for too long: failed now
    delayed_until: datetime | None = None  # a delay to tell of, once: it is tried until then


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the store answers to a record: which deliveries this made final, what follows."""

    failed: tuple[tuple[Delivery, Result], ...] = ()
    delivered: tuple[tuple[Delivery, Result], ...] = ()
    delayed: tuple[tuple[Delivery, Result], ...] = ()
    is_finished: bool = False  # nothing of the message waits any more
    queued: tuple[Outgoing, ...] = ()  # the notifications and the events that follow
