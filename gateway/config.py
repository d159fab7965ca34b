"""gateway.conf (TOML) -> frozen settings; a stage gets its own section, never the whole.

One dataclass a section holds its defaults. A wrong or unknown key is refused with file,
section and key. Relative paths are relative to the file.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.mail.address import parse_address
from gateway.mail.schema import SchemaError, Size, parse_limit, read_table, unknown_key
from gateway.mail.tenant import Security

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
GIGABYTE = Size(1024**3)
LARGEST_STORE = Size(20 * 1024**3)
MOST_WORKERS = 64
LOG_FORMATS = ("text", "json", "postfix")
LARGEST_MESSAGE = Size(25 * 1024**2)
LAST_PORT = 65535


class ConfigError(Exception):
    """A file of the operator that cannot be used: says which, where, and what to do."""


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
class ConsoleSettings:
    """[console]: health, metrics and the pages."""

    address: str = "127.0.0.1:8080"
    public_url: str = "http://127.0.0.1:8080"


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
    """[tenants]: what tenants may point us at."""

    private_networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """[log]: how events are written to standard error."""

    format: str = "text"  # text | json | postfix


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
    console: ConsoleSettings = ConsoleSettings()
    alerts: AlertSettings = AlertSettings()
    tenants: TenantSettings = TenantSettings()
    log: LogSettings = LogSettings()

    @property
    def state(self) -> Path:
        """The directory of gateway.db, secret.key and the self-signed certificate."""
        return self.resolve(self.server.state)

    def resolve(self, path: str) -> Path:
        """Return `path` as seen from the file's directory."""
        return (self.path.parent / path).resolve()


KEY_NAMES = {"alerts": {"from": "sender"}}
"""Keys whose field is called otherwise, by section."""

SECTIONS = {one.name: one for one in dataclasses.fields(Settings) if one.name != "path"}


def load_settings(path: Path) -> Settings:
    """Return the settings of the file; raises ConfigError with file, section and key."""
    table = load_toml(path)
    sections: dict[str, Any] = {}
    for name, section in table.items():
        if name not in SECTIONS:
            sentence = _where_it_belongs(name) or unknown_key(name, SECTIONS, thing="section")
            raise ConfigError(f"{path}: {sentence}")
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name}: expects a section: write [{name}]")
        sections[name] = _read_section(path, name, section)
    settings = Settings(path=path.resolve(), **sections)
    _check(settings)
    return settings


def load_toml(path: Path) -> dict[str, Any]:
    """Return the table of a TOML file; raises ConfigError with file and line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_toml_sentence(str(error))}") from error


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or IP address."""
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _read_section(path: Path, name: str, section: dict[str, Any]) -> Any:
    cls = type(SECTIONS[name].default)
    given: dict[str, Any] = {}
    try:
        if name == "submission" and "listeners" in section:
            given["listeners"] = _read_listeners(section["listeners"])
            section = {key: value for key, value in section.items() if key != "listeners"}
        return read_table(cls, section, given=given, names=KEY_NAMES.get(name))
    except SchemaError as error:
        sentence = str(error)
        if error.key not in _keys_of(name) and (belongs := _where_it_belongs(error.key)):
            sentence = belongs
        raise ConfigError(f"{path}: [{name}] {sentence}") from error


def _keys_of(section: str) -> set[str]:
    cls: Any = type(SECTIONS[section].default)
    return {one.name for one in dataclasses.fields(cls)}


def _where_it_belongs(key: str) -> str | None:
    """Return the sentence for a key that another section has, None when none has it."""
    sections = [f"[{name}]" for name in SECTIONS if key in _keys_of(name)]
    return f"'{key}' belongs in {' or '.join(sections)}" if sections else None


def _read_listeners(listeners: Any) -> tuple[ListenerSettings, ...]:
    if not isinstance(listeners, list) or not all(isinstance(one, dict) for one in listeners):
        raise SchemaError("listeners", "expects tables: write [[submission.listeners]]")
    try:
        return tuple(read_table(ListenerSettings, one) for one in listeners)
    except SchemaError as error:
        raise SchemaError(f"listeners: {error.key}", error.message) from error


def _check(settings: Settings) -> None:
    """Refuse what has the right type but cannot work."""
    for sentence in _faults(settings):
        raise ConfigError(f"{settings.path}: {sentence}")


def _faults(settings: Settings) -> list[str]:
    faults = []
    if not 0 <= settings.server.workers <= MOST_WORKERS:
        faults.append(f"[server] workers: write a number from 0 to {MOST_WORKERS}")
    if settings.storage.url != "sqlite":
        faults.append('[storage] url: only "sqlite" is in this release')
    if (settings.tls.certificate is None) != (settings.tls.key is None):
        faults.append("[tls] certificate and key go together: give both or neither")
    if settings.log.format not in LOG_FORMATS:
        sentence = unknown_key(settings.log.format, LOG_FORMATS, thing="format")
        faults.append(f"[log] format: {sentence}")
    if settings.policies.on_error not in ("hold", "keep"):
        faults.append('[policies] on_error: write "hold" or "keep"')
    faults.extend(_listener_faults(settings.submission))
from gateway.mail.address import parse_address
    faults.extend(_network_faults(settings))
    try:
        parse_limit(settings.submission.auth_failures)
    except ValueError as error:
        faults.append(f"[submission] auth_failures: {error}")
    if not _is_listening_address(settings.console.address):
        faults.append('[console] address: write an IP address and a port: "127.0.0.1:8080"')
    return faults


def _network_faults(settings: Settings) -> list[str]:
    lists = {
        "[submission] plain_networks": settings.submission.plain_networks,
        "[routes] private_networks": settings.routes.private_networks,
        "[tenants] private_networks": settings.tenants.private_networks,
    }
    return [
        f"{where}: '{one}' is not a network: write one such as \"10.1.0.0/16\""
        for where, networks in lists.items()
        for one in networks
        if not _is_network(one)
    ]


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_listening_address(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return port.isdigit() and int(port) <= LAST_PORT and _is_ip(host.strip("[]"))


def _listener_faults(submission: SubmissionSettings) -> list[str]:
    faults = []
    for listener in submission.listeners:
        where = f"[[submission.listeners]] address '{listener.address}'"
        if not _is_listening_address(listener.address):
            faults.append(f'{where}: write an IP address and a port, such as "0.0.0.0:587"')
        elif listener.security is Security.NONE and not _may_be_plain(
            listener.host, submission
        ):
            faults.append(
                f'{where}: security "none" is for loopback and [submission] plain_networks'
                ' only; write "starttls" or "tls"'
            )
    return faults


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _may_be_plain(host: str, submission: SubmissionSettings) -> bool:
    address = ipaddress.ip_address(host)
    return address.is_loopback or bool(submission.plain_networks)


def _toml_sentence(text: str) -> str:
    """`Expected '=' (at line 3, column 5)` -> `line 3: Expected '=' (column 5)`."""
    what, _, where = text.partition(" (at line ")
    if not where:
        return text
    line, _, column = where.rstrip(")").partition(", ")
    if what.startswith("Illegal character '\\n'"):
        what = "A text in quotes has no end on this line"
    return f"line {line}: {what} ({column})"
