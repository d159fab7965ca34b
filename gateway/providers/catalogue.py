"""The presets: one TOML file a provider, read once at start.

A key that the product does not read (notes, banners, steps) may stand in a file: it is for
people who maintain it. A preset that `inherits` takes what it lacks from that other one; its
own error rows are tried first.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from gateway.mail.tenant import Security

T = TypeVar("T")

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One host of a provider; `region` says for whom, `domain` for which addresses alone."""

    host: str
    port: int
    security: Security
    region: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRules:
    """How an account signs in: the kind of user name, of secret, and the secret's life."""

    imap_user: str = "address"  # address | local-part | login-address | generated |
    smtp_user: str = "address"  # same-as-secret | fixed:...
    smtp_user_note: str = ""
    secret: str = "password"  # noqa: S105  (the kind of secret, not one)
    secret_alternatives: tuple[str, ...] = ()
    secret_shape: str = ""
    secret_in_groups: bool = False  # shown with blanks that are none of it
    secret_note: str = ""
    secret_life_days: int = 0  # 0: no fixed term is known
    secret_life_note: str = ""
    password_for: tuple[str, ...] = ("imap", "smtp")  # what a secret that is no token opens
    setup: tuple[str, ...] = ()  # what a person does before
    manage_at: str = ""  # where the secrets in use are listed and revoked

    def as_sent(self, secret: str) -> str:
        """Return a secret, as a person copied it, as the server is to have it."""
        return "".join(secret.split()) if self.secret_in_groups else secret


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2Rules:
    """Where a provider is asked for access tokens, and for what."""

    authorize: str = ""  # URLs; {directory} in them is filled in
    token: str = ""
    directory: str = ""  # of a tenant that names none
    scopes: tuple[str, ...] = ()
    app_scopes: tuple[str, ...] = ()  # without a person; none: it lets no program in alone
    parameters: Mapping[str, str] = field(default_factory=dict)
    hosts_of_region: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    service_accounts: bool = False  # a key signs for a mailbox (RFC 7523)
    app_only: str = ""  # what a program needs to be let in without a person
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRules:
    """Who may stand in From and MAIL, and what the provider does with the rest."""

    rule: str = "same-as-username"
    rule_note: str = ""
    otherwise: str = "unknown"
    async_rejection: bool = False  # some refusals come after the 250, outside of SMTP
    replaces_message_id: bool | str = "unknown"  # yes, no, or a word
    original_id_fields: tuple[str, ...] = ()  # where it keeps the Message-ID it replaced
    saves_sent: bool | str = "unknown"
    dkim_profile: str | None = None  # sign | none | without-ids; left out: from the above

    @property
    def copies_tell_ids(self) -> bool:
        """Whether a copy of sent mail that it keeps may show another Message-ID than ours."""
        return self.saves_sent is not False and self.replaces_message_id is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What its IMAP server does and wants."""

    idle: str = "if-advertised"  # yes | no | if-advertised
    idle_reissue_seconds: int = 540
    keepalive: str = "NOOP"
    keepalive_seconds: int = 120
    poll_min_seconds: int = 120
    send_id: str = "if-advertised"  # always | if-advertised | never
    id_fields: tuple[str, ...] = ()
    search: str = "untrusted"
    special_use: bool | str = "if-advertised"
    connections_max: int = 0  # 0: not known
    subaddresses: bool | str = "unknown"  # whether mail to name+detail@ comes to name@
    inbox: tuple[str, ...] = ("INBOX",)
    junk: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    trash: tuple[str, ...] = ()
    drafts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What it allows; None is not known. `plan` names the plan that the figures belong to."""

    plan: str | None = None
    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    recipients_per_message: int | None = None
    recipients_per_day: int | None = None
    connections: int | None = None
    messages_per_connection: int | None = None
    message_mb: int | None = None
    note: str = ""

    @property
    def max_message_bytes(self) -> int | None:
        """The largest message in bytes, or None when it is not known."""
        return self.message_mb * MEBIBYTE if self.message_mb else None

    @property
    def rate_per_minute(self) -> float | None:
        """The rate to keep to, or None; figures of a plan bind nobody on another plan."""
        if self.plan is not None:
            return None
        if self.per_second is not None:
            return self.per_second * 60.0
        if self.per_minute is not None:
            return float(self.per_minute)
        return self.per_hour / 60.0 if self.per_hour else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRules:
    """What a sending domain publishes for it."""

    spf: str = ""
    dkim: str = ""
    dkim_style: str = ""  # txt | cname
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """One known answer: in these phases, with these codes, containing one of these texts."""

    on: str
    codes: tuple[str, ...]
    texts: tuple[str, ...]  # folded; empty: any text
    cause: str
    enhanced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Everything known of one provider; inheritance is resolved already."""

    id: str
    name: str
    name_zh: str = ""
    note: str = ""
    role: str = "mailbox"  # mailbox | sender | channel
    group: str = ""  # cn | intl | senders | channel | generic
    suits: tuple[str, ...] = ()  # of `advice.USES`: the mail that it is meant for
    domains: tuple[str, ...] = ()
    own_domains: bool = False  # serves addresses of its customers' domains beside `domains`
    mx: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()  # what fills in {region}
    imap: tuple[Server, ...] = ()
    smtp: tuple[Server, ...] = ()
    login: LoginRules = LoginRules()
    oauth2: OAuth2Rules | None = None  # [login.oauth2]
    sender: SenderRules = SenderRules()
    behaviour: Behaviour = Behaviour()
    limits: Limits = Limits()
    dns: DnsRules = DnsRules()
    errors: tuple[ErrorRow, ...] = ()
    fixes: Mapping[str, str] = field(default_factory=dict)  # cause -> what a person does
    inherits: str | None = None
    # Which of its headers are believed (authenticity.trace says how); left out: none.
    border_received: tuple[str, ...] = ()
    inner_received: tuple[str, ...] = ()
    inner_clients: tuple[str, ...] = ()
    writes_return_path: bool = False
    return_path_below_border: bool = False
    authserv_ids: tuple[str, ...] = ()
    results_of_border: bool = False
    results_without_id: bool = False
    results_below_border: bool = False
    results_above: str = ""
    results_after: str = ""
    results_name_sender: bool = False
    arc_sealers: tuple[str, ...] = ()

    @property
    def dkim_profile(self) -> str:
        """How mail for it is signed: `sign`, `none`, or `without-ids`, where it replaces
        Message-ID and Date and a signature over them would break."""
        without = self.sender.replaces_message_id is True
        return self.sender.dkim_profile or ("without-ids" if without else "sign")

    def common_username(self, secret: str | None) -> str | None:
        """Return the SMTP user name that every customer has: a word, or the secret itself."""
        kind, _, fixed = self.login.smtp_user.partition(":")
        return fixed if kind == "fixed" else secret if kind == "same-as-secret" else None

    @property
    def known_regions(self) -> tuple[str, ...]:
        """The regions that an account may name, in the order of the file."""
        named = [one.region for one in (*self.smtp, *self.imap) if one.region is not None]
        return self.regions or tuple(dict.fromkeys(named))

    def check_region(self, region: str | None) -> None:
        """Raise ValueError, a sentence, for a region it does not have or needs."""
        known = self.known_regions
        if region is None:
            if self.regions:
                raise ValueError(f"{self.name} needs a region: one of {', '.join(known)}")
        elif not known:
            raise ValueError(f"{self.name} has no regions: leave the key out")
        elif region.casefold() not in (one.casefold() for one in known):
            raise ValueError(f"{self.name} has no region '{region}': one of {', '.join(known)}")

    def smtp_servers(self, *, region: str | None = None, domain: str = "") -> list[Server]:
        """Return the servers to send by, by preference, for a region and an address's domain.

        Raises ValueError as `check_region` does.
        """
        return self._choose(self.smtp, region, domain)

    def imap_servers(self, *, region: str | None = None, domain: str = "") -> list[Server]:
        """Return the servers to fetch from, as `smtp_servers` does."""
        return self._choose(self.imap, region, domain)

    def _choose(
        self, servers: tuple[Server, ...], region: str | None, domain: str
    ) -> list[Server]:
        self.check_region(region)
        fitting = [one for one in servers if one.domain in (None, domain)]
        fitting.sort(key=lambda one: (one.domain is None, not _is_of_region(one, region)))
        return [_fill_in(one, region or "", domain) for one in fitting]


def load_catalogue(directory: Path | None = None) -> dict[str, Provider]:
    """Return every preset by its name, `generic` among them.

    Raises ValueError naming the file when one of our own data files is wrong.
    """
    root = directory or Path(str(files("gateway.providers"))) / "data"
    tables = {path.stem: _read(path) for path in sorted(root.glob("*.toml"))}
    return {name: _provider(name, _inherited(name, tables)) for name in tables}


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from error


def _inherited(name: str, tables: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    own = tables[name]
    if "inherits" not in own:
        return own
    merged = dict(_inherited(own["inherits"], tables))
    for key, value in own.items():
        if key == "errors":
            merged[key] = [*value, *merged.get(key, [])]
        elif isinstance(value, dict):
            merged[key] = merged.get(key, {}) | value
        else:
            merged[key] = value
    return merged


def _provider(name: str, table: Mapping[str, Any]) -> Provider:
    try:
        return _pick(
            Provider,
            table,
            id=name,
            imap=_servers(table.get("imap", [])),
            smtp=_servers(table.get("smtp", [])),
            login=_pick(LoginRules, table.get("login", {})),
            oauth2=_oauth2(table.get("login", {}).get("oauth2")),
            sender=_pick(SenderRules, table.get("sender", {})),
            behaviour=_pick(Behaviour, table.get("behaviour", {})),
            limits=_pick(Limits, table.get("limits", {})),
            dns=_pick(DnsRules, table.get("dns", {})),
            errors=tuple(_row(row) for row in table.get("errors", [])),
            fixes=dict(table.get("fix", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"preset {name}: {error}") from error


def _pick(cls: type[T], table: Mapping[str, Any], **given: Any) -> T:
    known = {one.name for one in dataclasses.fields(cls)} - given.keys()  # type: ignore[arg-type]
    values = {key: _frozen(value) for key, value in table.items() if key in known}
    return cls(**values, **given)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _servers(tables: list[dict[str, Any]]) -> tuple[Server, ...]:
    return tuple(_pick(Server, table, security=Security(table["security"])) for table in tables)


def _oauth2(table: Mapping[str, Any] | None) -> OAuth2Rules | None:
    return None if table is None else _pick(OAuth2Rules, table)


def _row(table: Mapping[str, Any]) -> ErrorRow:
    texts = [table["match"], *table.get("also", [])]
    return ErrorRow(
        on=table["on"],
        codes=tuple(str(table["code"]).split("/")),
        texts=tuple(" ".join(text.casefold().split()) for text in texts if text),
        cause=table["cause"],
        enhanced=tuple(table.get("enhanced", ())),
    )


def _is_of_region(server: Server, region: str | None) -> bool:
    if region is None or server.region is None:
        return region is None
    return server.region == "{region}" or server.region.casefold() == region.casefold()


def _fill_in(server: Server, region: str, domain: str) -> Server:
    host = server.host.replace("{region}", region.lower()).replace("{domain}", domain)
    return dataclasses.replace(server, host=host)
