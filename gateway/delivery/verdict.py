"""What a reply means for a delivery, and what to do: pure.

The catalogue's rules come first, the reply's first digit last. A refusal before MAIL never
fails a message, and a fault of the sender is never blamed on the recipient.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.mail.delivery import Decision, LaneKind, Phase, Verdict
from gateway.mail.reply import Outcome, Reply
from gateway.providers.catalogue import Provider
from gateway.providers.causes import Turn
from gateway.providers.diagnosis import Diagnosis, diagnose, explain

BEFORE_MAIL = frozenset(
    {Phase.TOKEN, Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.AUTH}
)
PHASES = {
    Phase.TOKEN: "token",
    Phase.AUTH: "smtp-auth",
    Phase.MAIL: "smtp-mail",
    Phase.RCPT: "smtp-rcpt",
    Phase.DATA: "smtp-data",
    Phase.AFTER_DOT: "smtp-data",
}
OUT_OF_STEP = 503  # bad sequence of commands: of the session, not of the message
NO_REPLY = 0  # the code of a Reply that no server gave
ACCEPTED = Verdict(
    decision=Decision.DELIVERED, cause="accepted", meaning="The server took the message."
)
PERHAPS = Verdict(
    decision=Decision.UNKNOWN,
    cause="lost-after-dot",
    meaning="The connection was lost before the server confirmed: perhaps it was delivered.",
)
UNCLEAR = Verdict(
    decision=Decision.UNKNOWN,
    cause="unclear-after-dot",
    meaning="The server answered neither yes nor no to the message: perhaps it was delivered.",
)
SLOWER = frozenset({"rate-limited", "too-many-connections", "login-throttled"})
BLAMES_MAIL = frozenset({Turn.SENDER, Turn.MESSAGE, Turn.SENDER_DOMAIN, Turn.RECIPIENT})
BY_STANDARD = {"5.6.7": "no-smtputf8", "5.6.3": "no-8bit"}  # RFC 6531 §4.2, RFC 3463 §3.7
MAX_CONTENT_DEFERRALS = 2  # a 4yz because of the content: providers.md §8
REMOTE_ID = re.compile(
    r"queued as <?(?P<queued>[^\s<>]+)>?"
    r"|(?P<angled><[^<>\s@]+@[^<>\s]+>)"
    r"|^ok:?\s+(?P<bare>[0-9a-z][0-9a-z.-]{14,})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judges the replies of one account; `username` tells whether it is at the right server,
    `oauth2` that it signs in by access tokens."""

    provider: Provider
    catalogue: Mapping[str, Provider]
    kind: LaneKind = LaneKind.UPSTREAM
    username: str | None = field(default=None, repr=False)
    oauth2: bool = False

    def verdict(self, phase: Phase, reply: Reply, *, attempts: int) -> Verdict:
        """Return what a reply in `phase` means after `attempts` tries before this one."""
        if phase is Phase.AFTER_DOT and reply.outcome is Outcome.DELIVERED:
            return ACCEPTED
        if phase is Phase.AFTER_DOT and reply.code == NO_REPLY:
            return PERHAPS
        if phase is Phase.AFTER_DOT and reply.code // 100 not in (4, 5):
            return UNCLEAR  # RFC 5321 §4.2.1 knows no other completion
        if reply.code == NO_REPLY:
            return Verdict(decision=Decision.DEFER, cause="unreachable", meaning=reply.text)
        diagnosis = self._diagnose(phase, reply)
        decision = _decide(diagnosis, phase, reply, attempts=attempts)
        if decision is Decision.FAIL and self.kind is not LaneKind.UPSTREAM:
            decision = Decision.SET_ASIDE  # a customer is never bounced for the helpdesk
        return Verdict(
            decision=decision,
            cause=diagnosis.cause,
            meaning=diagnosis.meaning,
            fix=diagnosis.fix,
        )

    def _diagnose(self, phase: Phase, reply: Reply) -> Diagnosis:
        if phase is Phase.RCPT and _asks_to_split(reply):
            return explain("recipients-too-many", self.provider)
        if reply.enhanced in BY_STANDARD:
            return explain(BY_STANDARD[reply.enhanced], self.provider)
        return diagnose(
            self.provider,
            self.catalogue,
            phase=PHASES.get(phase, "smtp-any"),
            code=reply.code,
            text=f"{reply.enhanced or ''} {reply.text}".lstrip(),
            address=self.username,
            oauth2=self.oauth2,
        )


def find_remote_id(text: str) -> str | None:
    """Return the id that a server's 250 gives the message, or None when it says none."""
    found = REMOTE_ID.search(text)
    return next((one for one in found.groups() if one), None) if found else None


def failure_class(verdict: Verdict, reply: Reply) -> str:
    """Return the class of a final failure: recipient-dead, mailbox-full, policy, our-account
    or unknown, from the cause, else from the enhanced code (RFC 3463 §3)."""
    if verdict.cause in _CLASSES:
        return _CLASSES[verdict.cause]
    subject = (reply.enhanced or "").partition(".")[2]
    if subject in ("1.7", "1.8"):  # the sender's address
        return "our-account"
    if subject in ("1.1", "1.2", "1.3", "1.6", "1.10", "2.1"):
        return "recipient-dead"
    if subject == "2.2":
        return "mailbox-full"
    if verdict.cause == "message-too-big" or subject.startswith(("7.", "6.", "3.4")):
        return "policy"
    return "unknown"


_CLASSES = {
    "recipient-refused": "recipient-dead",
    "recipient-suppressed": "recipient-dead",
    "mailbox-full": "mailbox-full",
    "recipient-full": "mailbox-full",
    "content-refused": "policy",
    "bulk-authentication": "policy",
    "policy-refused": "policy",
    "sender-refused": "our-account",
    "sender-not-allowed": "our-account",
    "identity-not-verified": "our-account",
    "sender-not-authorised-amazon": "our-account",
    "sandbox": "our-account",
    "malformed-from": "our-account",
}


def _decide(diagnosis: Diagnosis, phase: Phase, reply: Reply, *, attempts: int) -> Decision:
    if diagnosis.cause == "quota-exhausted":
        return Decision.WAIT_QUOTA
    if diagnosis.cause in SLOWER:
        return Decision.DEFER if _is_of_recipient(reply) else Decision.SLOW_DOWN
    if _stops_account(diagnosis, phase, reply):
        return Decision.SIGN_IN_REFUSED
    if phase in BEFORE_MAIL or diagnosis.whose_turn is Turn.WAIT:
        return Decision.DEFER
    if _blames_mail(diagnosis):
        return _refuse_mail(diagnosis, reply, attempts=attempts)
    if phase is Phase.MAIL or diagnosis.listed or reply.code == OUT_OF_STEP:
        return Decision.DEFER  # of what is ours or the account's, the mail is not guilty
    return Decision.FAIL if reply.outcome is Outcome.FAILED else Decision.DEFER


def _stops_account(diagnosis: Diagnosis, phase: Phase, reply: Reply) -> bool:
    if diagnosis.whose_turn is Turn.STOP_SENDING:
        return True
    if diagnosis.whose_turn in (Turn.CREDENTIALS, Turn.SETTINGS):
        return diagnosis.cause not in ("mailbox-full", "mailbox-not-reachable")
    refused = phase is Phase.AUTH and reply.outcome is Outcome.FAILED
    return refused and diagnosis.whose_turn is not Turn.WAIT


def _blames_mail(diagnosis: Diagnosis) -> bool:
    return diagnosis.whose_turn in BLAMES_MAIL or diagnosis.cause == "malformed-from"


def _refuse_mail(diagnosis: Diagnosis, reply: Reply, *, attempts: int) -> Decision:
    if diagnosis.cause == "recipients-too-many":
        return Decision.DEFER  # the rest goes in a transaction of its own
    if reply.outcome is Outcome.FAILED:
        return Decision.FAIL
    tries = attempts + 1
    if diagnosis.cause == "content-refused" and tries > MAX_CONTENT_DEFERRALS:
        return Decision.FAIL
    return Decision.DEFER


def _is_of_recipient(reply: Reply) -> bool:
    """Whether the enhanced code speaks of one address or mailbox (RFC 3463 §3.2, §3.3)."""
    return (reply.enhanced or "").startswith(("4.1.", "4.2.", "5.1.", "5.2."))


def _asks_to_split(reply: Reply) -> bool:
    """RFC 5321 §4.5.3.1.10: 452, and 552 taken as 452, where the text or code says so."""
    if reply.code not in (452, 552):
        return False
    return reply.enhanced in ("4.5.3", "5.5.3") or reply.text.lower() == "too many recipients"
