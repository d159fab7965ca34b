"""A tenant and what belongs to it: one schema for files, command line, console and API."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class Security(StrEnum):
    """How a connection is protected."""

    STARTTLS = "starttls"
    TLS = "tls"  # from the first byte (RFC 8314 §3)
    NONE = "none"  # loopback and listed networks only


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain a tenant may send as; keys and DNS records hang here."""

    name: str  # A-label


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """An address a tenant may send as; `*@domain` covers a domain."""

    address: str
    name: str = ""
    name_policy: str = "fill"  # fill: an empty or bare display name | always
    upstream: str | None = None
    from_policy: str = "enforce"  # key `from`: enforce | rewrite
    reply_tokens: bool = False  # answers go to an address that holds a signed token


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """An account at a provider that mail leaves by; None means: as the preset says."""

    name: str
    provider: str = "generic"
    host: str | None = None
    port: int | None = None
    security: Security | None = None
    region: str | None = None
    username: str | None = None
    mailbox: str | None = None  # send through that mailbox's own account
    ca_file: str | None = None
    max_message_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mailbox that is watched; None means: as the preset says."""

    address: str
    provider: str = "generic"
    host: str | None = None  # IMAP
    port: int | None = None
    security: Security | None = None
    region: str | None = None  # of IMAP, and of SMTP where it sends by itself
    username: str | None = None
    client_id: str | None = None  # it signs in by OAuth2, as this client
    directory: str | None = None  # of Microsoft Entra; left out: as the preset says
    grant: str = "authorization-code"  # a person says yes once | client-credentials |
    #                                    service-account
    authorize_url: str | None = None
    token_url: str | None = None
    scopes: tuple[str, ...] = ()  # none: as the preset says
    upstream: str | None = None  # its answers leave by this one
    issued: date | None = None  # when its code was made
    answers: bool = False
    route: str | None = None
    folders: tuple[str, ...] = ("INBOX",)
    junk: str = "route"  # route | report | off
    after_fetch: str = "leave"  # leave | seen | move:NAME
    fetch_from: str = "now"  # now | 30d
    ca_file: str | None = None

    @property
    def oauth2(self) -> bool:
        """Whether it signs in by access tokens (RFC 6749), not by a password."""
        return self.client_id is not None or self.by_service_account

    @property
    def needs_person(self) -> bool:
        """Whether a person has to say yes before the first access token."""
        return self.oauth2 and self.grant == "authorization-code"

    @property
    def by_service_account(self) -> bool:
        """Whether a program's signed word opens it, as Google has it (RFC 7523)."""
        return self.grant == "service-account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to the helpdesk."""

    name: str
    type: str  # smtp | lmtp | webhook | imap
    url: str | None = None
    host: str | None = None
    port: int | None = None
    security: Security = Security.STARTTLS
    username: str | None = None
    to: str | None = None  # smtp and lmtp; left out: the mailbox's address
    folder: str = "INBOX"  # imap
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Where events go, not mail."""

    name: str
    url: str
    events: tuple[str, ...]
    ca_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A submission login of a helpdesk: `TENANT.NAME`."""

    name: str
    networks: tuple[str, ...] = ()
    messages_per_hour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Everything of one tenant but its secrets, which never leave the store unsealed."""

    id: str
    name: str = ""
    owner: str = ""
    route: str | None = None
    timezone: str = "UTC"
    hours: str = ""
    notify: tuple[str, ...] = ()  # addresses that policies may tell, beside the owner
    domains: dict[str, Domain] = field(default_factory=dict)
    senders: dict[str, Sender] = field(default_factory=dict)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    credentials: dict[str, Credential] = field(default_factory=dict)

    @property
    def told(self) -> tuple[str, ...]:
        """Every address that policies may tell."""
        return (*([self.owner] if self.owner else []), *self.notify)

    def route_of(self, mailbox: str) -> str | None:
        """Return the default route of what comes to a mailbox: its own, else the tenant's."""
        found = self.mailboxes.get(mailbox)
        return (found.route if found else None) or self.route

    def find_sender(self, address: str) -> Sender | None:
        """Return the sender entry that covers `address`: itself, its base, its domain's."""
        found = (self.senders.get(key) for key in sender_keys(address))
        return next((sender for sender in found if sender), None)


def sender_keys(address: str) -> tuple[str, str, str]:
    """Return under which names an address may be a sender, in the order that they count."""
    local, _, domain = address.casefold().rpartition("@")
    return f"{local}@{domain}", f"{local.split('+', 1)[0]}@{domain}", f"*@{domain}"
