"""The sections of gateway.conf as frozen values, with their defaults."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from gateway.mail.schema import Size
from gateway.mail.tenant import Security

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MEGABYTE, TWO_MEGABYTES = Size(1024**2), Size(2 * 1024**2)
TWO_KILOBYTES, EIGHT_KILOBYTES, LONGEST_STRING = Size(2048), Size(8192), Size(65536)
GIGABYTE = Size(1024**3)
LARGEST_STORE = Size(20 * 1024**3)
LARGEST_MESSAGE = Size(25 * 1024**2)
LARGE_MESSAGES = Size(128 * 1024**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """[server]: who we are and where our state lies."""

    hostname: str = "localhost.localdomain"
    state: str = "/var/lib/gateway"
    workers: int = 0  # processes; 0: one for each core, at most four


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """[storage]: where messages are kept."""

    url: str = "sqlite"
    keep_free: Size = GIGABYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionSettings:
    """[retention]: how long what is done with is kept, and how much there may be in all."""

    sent: timedelta = 14 * DAY
    received: timedelta = 30 * DAY
    journal: timedelta = 400 * DAY
    max_bytes: Size = LARGEST_STORE


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """[tls]: the certificate of the listeners; left out: self-signed."""

    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """[[submission.listeners]]: one address and how it is protected."""

    address: str
    security: Security = Security.STARTTLS

    @property
    def host(self) -> str:
        """The address to bind, without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to bind; 0 lets the system choose."""
        return int(self.address.rpartition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionSettings:
    """[submission]: where applications hand in their mail."""

    max_message_bytes: Size = LARGEST_MESSAGE
    max_bytes_at_once: Size = LARGE_MESSAGES
    max_recipients: int = 1000
    idle_timeout_seconds: float = 300.0  # RFC 5321 §4.5.3.2.7
    sessions: int = 1000
    sessions_per_address: int = 100
    plain_networks: tuple[str, ...] = ()
    auth_failures: str = "10/10m"
    listeners: tuple[ListenerSettings, ...] = (
        ListenerSettings(address="0.0.0.0:587", security=Security.STARTTLS),
        ListenerSettings(address="0.0.0.0:465", security=Security.TLS),
        ListenerSettings(address="127.0.0.1:2525", security=Security.NONE),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """[delivery]: how often to try, and for how long."""

    give_up_after: timedelta = 5 * DAY  # RFC 5321 §4.5.4.1
    retry_waits: tuple[timedelta, ...] = (
        MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR,
    )  # fmt: skip
    stale_after: timedelta = 7 * DAY
    trusted_ca: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """[dns]: which servers to ask; left out: the system's."""

    nameservers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSettings:
    """[mailboxes]: how mailboxes are watched."""

    dead_after: timedelta = 10 * MINUTE
    login_waits: tuple[timedelta, ...] = (timedelta(seconds=10), MINUTE, 5 * MINUTE)
    poll_every: timedelta = 2 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """[routes]: handing over to helpdesks."""

    private_networks: tuple[str, ...] = ()
    retry_waits: tuple[timedelta, ...] = (
        timedelta(seconds=5), timedelta(seconds=30), 2 * MINUTE, 10 * MINUTE, HOUR,
    )  # fmt: skip
    give_up_after: timedelta = 5 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings:
    """[answers]: the gate in front of every automatic answer."""

    require_auth: bool = True
    max_age: timedelta = DAY
    per_sender_per_hour: int = 5
    per_sender_per_day: int = 20
    per_mailbox_per_hour: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """[policies]: where the policy files are."""

    directory: str = "policies"
    on_error: str = "hold"  # hold | keep


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """[limits]: how much one policy, one chain and one message may take of the server."""

    script_bytes: Size = MEGABYTE
    nesting: int = 32  # of blocks, and of tests
    include_depth: int = 10
    include_files: int = 100
    string_bytes: Size = LONGEST_STRING  # after expansion
    variables: int = 128
    variable_bytes: Size = EIGHT_KILOBYTES
    captures: int = 32
    steps: int = 100_000  # of a file
    chain_steps: int = 1_000_000
    chain_time: timedelta = timedelta(seconds=2)
    mime_parts: int = 500
    mime_depth: int = 30
    body_text_bytes: Size = TWO_MEGABYTES  # decoded, of a message; the rest is cut
    redirects: int = 10
    actions: int = 32
    notifications: int = 10
    added_header_bytes: Size = TWO_KILOBYTES
    added_headers: int = 50
    regex_bytes: Size = MEGABYTE  # of the memory of one expression


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSettings:
    """[spam], [virus]: where a filter in front of us writes its verdict (RFC 5235).

    `header` and `maximum_header` are a name, or a name, a colon and a regular expression
    whose first group counts. `kind`: a number up to `maximum`, the length of what is found,
    or one of `texts`, each "VALUE=TEXT". Believed is what stands above the Received field of
    the mailbox's provider, or of a host of `received_by`.
    """

    header: str | None = None
    kind: str = "score"  # score | length | text
    maximum: float = 10.0
    maximum_header: str | None = None
    texts: tuple[str, ...] = ()
    received_by: tuple[str, ...] = ()

    @property
    def headers(self) -> tuple[str, ...]:
        """The names of the fields it is read from."""
        given = (one for one in (self.header, self.maximum_header) if one)
        return tuple(one.partition(":")[0].strip() for one in given)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSettings:
    """[console]: health, metrics and the pages."""

    address: str = "127.0.0.1:8080"
    public_url: str = "http://127.0.0.1:8080"
    support: str | None = None  # whom tenants ask


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """[alerts]: whom to tell, by an SMTP path of its own; left out: nobody is told."""

    to: tuple[str, ...] | None = None
    sender: str | None = None  # the key is `from`
    host: str | None = None
    port: int = 25
    security: Security | None = None
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    retry_waits: tuple[timedelta, ...] = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR)
    give_up_after: timedelta = 7 * DAY

    @property
    def is_on(self) -> bool:
        """Whether anybody is told."""
        return bool(self.to and self.sender and self.host)

    @property
    def protection(self) -> Security:
        """How the path is protected: on loopback in the clear, where nothing is said."""
        here = Security.NONE if is_loopback(self.host or "") else Security.STARTTLS
        return self.security or here


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSettings:
    """[tenants]: what tenants may point us at; only the operator, who is exempt, can yet."""

    private_networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """[log]: how events are written to standard error."""

    format: str = "text"  # text | json | postfix


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """[models.NAME]: an OpenAI-compatible endpoint; it is asked by a later release."""

    url: str
    model: str
    timeout: timedelta = MINUTE
    key_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole gateway.conf; `path` is the file, for messages and relative paths."""

    path: Path
    server: ServerSettings = ServerSettings()
    storage: StorageSettings = StorageSettings()
    retention: RetentionSettings = RetentionSettings()
    tls: TlsSettings = TlsSettings()
    submission: SubmissionSettings = SubmissionSettings()
    delivery: DeliverySettings = DeliverySettings()
    dns: DnsSettings = DnsSettings()
    mailboxes: MailboxSettings = MailboxSettings()
    routes: RouteSettings = RouteSettings()
    answers: AnswerSettings = AnswerSettings()
    policies: PolicySettings = PolicySettings()
    limits: LimitSettings = LimitSettings()
    spam: FilterSettings = FilterSettings()
    virus: FilterSettings = FilterSettings()
    console: ConsoleSettings = ConsoleSettings()
    alerts: AlertSettings = AlertSettings()
    tenants: TenantSettings = TenantSettings()
    log: LogSettings = LogSettings()
    models: Mapping[str, ModelSettings] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The directory of gateway.db, secret.key and the self-signed certificate."""
        return self.resolve(self.server.state)

    def resolve(self, path: str) -> Path:
        """Return `path` as seen from the file's directory."""
        return (self.path.parent / path).resolve()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or IP address."""
    return host == "localhost" or (is_ip(host) and ipaddress.ip_address(host).is_loopback)


def is_ip(host: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
