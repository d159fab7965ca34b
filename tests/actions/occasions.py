"""Messages and tenants that the tests of this room share."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from gateway.actions.answer import Way, is_loop_mark
from gateway.actions.carry import Office
from gateway.actions.gate import Occasion, addresses_of
from gateway.config import AnswerSettings
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.inbound import Authenticity, AuthResult, Fetched
from gateway.mail.message import parse_message
from gateway.mail.tenant import Hook, Mailbox, Route, Sender, Tenant, Upstream

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SHOP = "shop@acme.example"
MAILBOX = Mailbox(address=SHOP, answers=True)
ACME = Tenant(
    id="acme",
    name="Acme Shop",
    route="desk",
    routes={
        "desk": Route(name="desk", type="webhook", url="https://desk.example/in"),
        "billing": Route(name="billing", type="smtp", host="b.example", to="in@b.example"),
    },
    senders={
        SHOP: Sender(address=SHOP, name="Acme Support", upstream="own"),
        "info@acme.example": Sender(address="info@acme.example"),
    },
    upstreams={"own": Upstream(name="own", host="smtp.acme.example")},
    mailboxes={SHOP: MAILBOX},
)
HOOKED = replace(
    ACME,
    hooks={"ev": Hook(name="ev", url="https://desk.example/ev", events=("message.held",))},
)
PROOF = Authenticity(
    results=(AuthResult(method="dkim", result="pass", domain="example.org"),),
    header_from="ann@example.org",
    mail_from="ann@example.org",
    proven="ann@example.org",
    mail_from_proven=True,
)
HEADER = {
    "Return-Path": "<ann@example.org>",
    "From": "Ann <ann@example.org>",
    "To": SHOP,
    "Subject": "Where is my order?",
    "Message-ID": "<1@example.org>",
}
WAY = Way(lane=Lane("acme", LaneKind.UPSTREAM, "own"))


def mark(text: str) -> str:
    return sha256(b"key" + text.encode()).hexdigest()[:20]


def mail(body: str = "Hello\r\n", **fields: str | None) -> bytes:
    """A mail of Ann's; `List_Id="x"` adds or replaces a field, None takes it out."""
    changed = {name.replace("_", "-"): value for name, value in fields.items()}
    merged = {**HEADER, **changed}
    lines = [f"{name}: {value}\r\n" for name, value in merged.items() if value is not None]
    return ("".join(lines) + "\r\n" + body).encode()


def fetched(content: bytes | None = None, **changes: Any) -> Fetched:
    one = Fetched(
        id="01ARZ3NDEKTSV4RRFF",
        tenant="acme",
        mailbox=SHOP,
        folder="INBOX",
        uidvalidity=1,
        uid=7,
        internal_date=NOON - timedelta(minutes=1),
        content=mail() if content is None else content,
    )
    return replace(one, **changes)


def occasion(content: bytes | None = None, **changes: Any) -> Occasion:
    one = fetched(content)
    made = Occasion(
        fetched=one,
        message=parse_message(one.content),
        authenticity=PROOF,
        tenant=ACME,
        mailbox=MAILBOX,
        now=NOON,
        own_addresses=addresses_of(ACME),
        is_own_mark=lambda value: is_loop_mark(mark, value),
    )
    return replace(made, **changes)


def office(content: bytes | None = None, *, way: Way | None = WAY, **changes: Any) -> Office:
    return Office(
        occasion=occasion(content, **changes), way=way, mark=mark, settings=AnswerSettings()
    )
