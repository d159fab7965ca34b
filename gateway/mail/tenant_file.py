"""A tenant file's table -> a Tenant and where its secrets are, and back. No I/O.

Secrets are never in the table: `password_file`, `secret_file` and `client_secret_file` name a
file, the same with `_env` an environment variable.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.mail.address import parse_address, parse_domain
from gateway.mail.schema import SchemaError, read_table, unknown_key
from gateway.mail.tenant import (
    Credential,
    Domain,
    Hook,
    Mailbox,
    Route,
    Sender,
    Tenant,
    Upstream,
)

LAST_PORT = 65535
HOST = re.compile(r"[^\s:/@]+")  # its name; what it resolves to is for later
DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
TIMES = f"{TIME}-(?:{TIME}|24:00)"
HOURS = re.compile(rf"{DAYS}(?:-{DAYS})? {TIMES}(?:, ?{DAYS}(?:-{DAYS})? {TIMES})*")
SECRET_KEYS = (
    "password_file", "password_env", "secret_file", "secret_env", "client_secret_file",
    "client_secret_env", "key_file",
)  # fmt: skip
OAUTH2_KEYS = ("directory", "authorize_url", "token_url", "scopes")  # beside client_id
GRANTS = ("authorization-code", "client-credentials", "service-account")
SECTIONS: dict[str, tuple[str, type[Any]]] = {
    "domains": ("domain", Domain),
    "senders": ("sender", Sender),
    "upstreams": ("upstream", Upstream),
    "mailboxes": ("mailbox", Mailbox),
    "routes": ("route", Route),
    "hooks": ("hook", Hook),
    "credentials": ("credential", Credential),
}
SETTINGS = ("name", "owner", "route", "timezone", "hours", "notify")
FIELD_OF_KEY = {"from": "from_policy"}
NAME_FIELD = {"sender": "address", "mailbox": "address"}
ROUTE_TYPES = ("smtp", "lmtp", "webhook", "imap")
EVENTS = (
    "message.received", "message.delivered", "message.deferred", "message.bounced",
    "message.complained", "message.held", "message.unanswered", "message.warned",
    "answer.sent", "answer.drafted", "mailbox.state_changed", "upstream.state_changed",
    "route.state_changed",
)  # fmt: skip

Items = dict[tuple[str, str], dict[str, Any]]
"""Every item of a tenant, by (kind, name), as its plain table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantFile:
    """What a tenant file says."""

    tenant: Tenant
    settings: dict[str, Any]  # the keys outside of any section
    items: Items = field(default_factory=dict)


def read_tenant_file(table: Mapping[str, Any]) -> TenantFile:
    """Return what the table of a tenant file says.

    Raises SchemaError with section and key; the names it refers to are for `find_faults`.
    """
    settings = {key: value for key, value in table.items() if key not in SECTIONS}
    id_ = settings.pop("tenant", None)
    if not isinstance(id_, str) or not id_.replace("-", "").replace("_", "").isalnum():
        sentence = 'write the tenant\'s short name, letters, digits, - and _: tenant = "acme"'
        raise SchemaError("tenant", sentence)
    known = [*SETTINGS, *SECTIONS]
    for key in settings:
        if key not in SETTINGS:
            raise SchemaError(key, unknown_key(key, known))
    items: Items = {}
    for section, (kind, _) in SECTIONS.items():
        for name, item in _tables(table, section):
            folded = _folded(kind, name, section)
            if (kind, folded) in items:
                raise SchemaError(f"[{section}]", f"{folded} stands there twice")
            items[kind, folded] = dict(item)
            if kind == "upstream" and isinstance(box := item.get("mailbox"), str):
                items[kind, folded]["mailbox"] = _as_mailbox(box)
    return TenantFile(tenant=build_tenant(id_, settings, items), settings=settings, items=items)


def build_tenant(id_: str, settings: Mapping[str, Any], items: Items) -> Tenant:
    """Return the Tenant of stored or read tables; raises SchemaError."""
    parts: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for section, (kind, cls) in SECTIONS.items():
        for (of_kind, name), item in items.items():
            if of_kind == kind:
                parts[section][name] = _read_item(cls, kind, name, item, section)
    given: dict[str, Any] = {"id": id_, **parts}
    return read_table(Tenant, settings, given=given)


def find_faults(tenant: Tenant, *, providers: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each name in the tenant that nothing carries."""
    if tenant.route is not None and tenant.route not in tenant.routes:
        yield f"route: {unknown_key(tenant.route, tenant.routes, thing='route')}"
    named = [("owner", tenant.owner)] if tenant.owner else []
    for key, address in (*named, *(("notify", one) for one in tenant.notify)):
        try:
            parse_address(address)
        except ValueError as error:
            yield f"{key}: {error}"
    if tenant.hours and not HOURS.fullmatch(tenant.hours):
        yield f"hours: '{tenant.hours}' are no hours: write them as Mon-Fri 09:00-18:00"
    if not _is_timezone(tenant.timezone):
        yield f"timezone: there is no '{tenant.timezone}'; write one such as Europe/Berlin"
    accounts: list[Upstream | Mailbox] = [
        *tenant.upstreams.values(),
        *tenant.mailboxes.values(),
    ]
    for account in accounts:
        if account.provider not in providers:
            sentence = unknown_key(account.provider, providers, thing="provider")
            yield f"{_where_is(account)} provider: {sentence}"
    yield from _server_faults(tenant)
    yield from _sender_faults(tenant)
    yield from _mailbox_faults(tenant)
    yield from _route_faults(tenant)
    yield from _hook_faults(tenant)
    yield from _credential_faults(tenant)


def as_toml(id_: str, settings: Mapping[str, Any], items: Items) -> str:
    """Return a tenant file that reads back as the same tenant."""
    lines = [f"tenant = {json.dumps(id_)}", *_toml_keys(settings)]
    for section, (kind, _) in SECTIONS.items():
        for (of_kind, name), item in sorted(items.items()):
            if of_kind == kind:
                lines += ["", f"[{section}.{_toml_name(name)}]", *_toml_keys(item)]
    return "\n".join(lines) + "\n"


def _tables(table: Mapping[str, Any], section: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = table.get(section, {})
    if not isinstance(found, Mapping):
        raise SchemaError(section, f"expects tables: write [{section}.NAME]")
    for name, item in found.items():
        if not isinstance(item, Mapping):
            raise SchemaError(
                f"[{section}] {name}", f"expects a table: write [{section}.{name}]"
            )
        yield name, item


def _folded(kind: str, name: str, section: str) -> str:
    try:
        if kind == "domain":
            return parse_domain(name)
        if kind in ("sender", "mailbox"):
            local, _, domain = name.rpartition("@")
            if kind == "sender" and local == "*":
                return f"*@{parse_domain(domain)}"
            return parse_address(name).key
    except ValueError as error:
        raise SchemaError(f"[{section}]", str(error)) from error
    if not name.replace("-", "").replace("_", "").isalnum():
        raise SchemaError(f"[{section}]", f"'{name}': a name has letters, digits, - and _")
    return name


def _read_item(
    cls: type[Any], kind: str, name: str, item: Mapping[str, Any], section: str
) -> Any:
    plain = {key: value for key, value in item.items() if key not in SECRET_KEYS}
    given = {NAME_FIELD.get(kind, "name"): name}
    names = FIELD_OF_KEY if kind == "sender" else {}
    try:
        return read_table(cls, plain, given=given, names=names)
    except SchemaError as error:
        message = error.message
        if error.key == "password":
            message = "a password does not stand here: write it to a file, and password_file"
        raise SchemaError(f"[{section}.{_toml_name(name)}] {error.key}", message) from error


def _as_mailbox(address: str) -> str:
    """Return an address as mailboxes are called; what is none is for `find_faults`."""
    try:
        return parse_address(address).key
    except ValueError:
        return address


def _where_is(account: Upstream | Mailbox) -> str:
    if isinstance(account, Upstream):
        return f"[upstreams.{account.name}]"
    return f'[mailboxes."{account.address}"]'


def _server_faults(tenant: Tenant) -> Iterator[str]:
    servers: dict[str, Route | Upstream | Mailbox] = {}
    servers |= {f"[routes.{one.name}]": one for one in tenant.routes.values()}
    servers |= {_where_is(one): one for one in tenant.upstreams.values()}
    servers |= {_where_is(one): one for one in tenant.mailboxes.values()}
    for where, one in servers.items():
        if one.port is not None and not 1 <= one.port <= LAST_PORT:
            yield f"{where} port: {one.port} is not a port: write 1 to {LAST_PORT}, such as 587"
        if one.host and not (HOST.fullmatch(one.host) or _is_ip(one.host)):
            sentence = "is not a host: write its name alone, such as smtp.acme.example"
            yield f"{where} host: '{one.host}' {sentence}"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # such as a folder of zones: "Europe"
        return False
    return True


def _sender_faults(tenant: Tenant) -> Iterator[str]:
    for sender in tenant.senders.values():
        where = f'[senders."{sender.address}"]'
        if sender.upstream is not None and sender.upstream not in tenant.upstreams:
            sentence = unknown_key(sender.upstream, tenant.upstreams, thing="upstream")
            yield f"{where} upstream: {sentence}"
        if sender.from_policy not in ("enforce", "rewrite"):
            yield f'{where} from: write "enforce" or "rewrite"'
        if sender.name_policy not in ("fill", "always"):
            yield f'{where} name_policy: write "fill" or "always"'
    for upstream in tenant.upstreams.values():
        if upstream.mailbox is not None and upstream.mailbox not in tenant.mailboxes:
            sentence = unknown_key(upstream.mailbox, tenant.mailboxes, thing="mailbox")
            yield f"[upstreams.{upstream.name}] mailbox: {sentence}"
        if upstream.mailbox is None and upstream.provider == "generic" and not upstream.host:
            yield f"[upstreams.{upstream.name}] host: this key is missing: a provider or a host"


def _mailbox_faults(tenant: Tenant) -> Iterator[str]:
    for mailbox in tenant.mailboxes.values():
        where = _where_is(mailbox)
        if mailbox.route is not None and mailbox.route not in tenant.routes:
            yield f"{where} route: {unknown_key(mailbox.route, tenant.routes, thing='route')}"
        if mailbox.upstream is not None and mailbox.upstream not in tenant.upstreams:
            sentence = unknown_key(mailbox.upstream, tenant.upstreams, thing="upstream")
            yield f"{where} upstream: {sentence}"
        if mailbox.provider == "generic" and not mailbox.host:
            yield f"{where} host: this key is missing: a provider or a host"
        if mailbox.junk not in ("route", "report", "off"):
            yield f'{where} junk: write "route", "report" or "off"'
        if not re.fullmatch(r"now|\d{1,4}d", mailbox.fetch_from):
            yield f'{where} fetch_from: write "now", or days as "30d"'
        yield from _folder_faults(mailbox, where)
        yield from _oauth2_faults(mailbox, where)


def _folder_faults(mailbox: Mailbox, where: str) -> Iterator[str]:
    folders = [_folder_key(one) for one in mailbox.folders]
    if not folders or not all(one.strip() for one in folders):
        yield f'{where} folders: write one or more, such as ["INBOX"]'
    if twice := next((one for one in folders if folders.count(one) > 1), None):
        yield f"{where} folders: {twice} is named twice"
    if not re.fullmatch(r"leave|seen|move:.+", mailbox.after_fetch):
        yield f'{where} after_fetch: write "leave", "seen" or "move:NAME"'
    if _folder_key(target := mailbox.after_fetch.partition(":")[2]) in folders:
        yield f"{where} after_fetch: what is moved to {target} is fetched from there again"


def _folder_key(name: str) -> str:
    """Return a folder's name as a server compares it (RFC 9051 §5.1)."""
    return "INBOX" if name.upper() == "INBOX" else name


def _oauth2_faults(mailbox: Mailbox, where: str) -> Iterator[str]:
    if mailbox.grant not in GRANTS:
        yield f"{where} grant: {unknown_key(mailbox.grant, GRANTS, thing='grant')}"
    given = [key for key in OAUTH2_KEYS if getattr(mailbox, key)]
    if mailbox.by_service_account and mailbox.client_id is not None:
        yield f"{where} client_id: a service account has none: its key_file says who it is"
    if not mailbox.oauth2 and (given or mailbox.grant != GRANTS[0]):
        yield f"{where} client_id: this key is missing, and {(*given, 'grant')[0]} needs it"
    if mailbox.oauth2 and mailbox.provider == "generic":
        wanted = ("token_url", "authorize_url") if mailbox.needs_person else ("token_url",)
        for key in wanted:
            if getattr(mailbox, key) is None:
                yield f"{where} {key}: this key is missing: no preset knows it"


def _route_faults(tenant: Tenant) -> Iterator[str]:
    for route in tenant.routes.values():
        where = f"[routes.{route.name}]"
        if route.type not in ROUTE_TYPES:
            yield f"{where} type: {unknown_key(route.type, ROUTE_TYPES, thing='type')}"
        if route.type == "webhook" and not route.url:
            yield f"{where} url: this key is missing"
        if route.type in ("smtp", "lmtp", "imap") and not route.host:
            yield f"{where} host: this key is missing"
        if route.type == "imap" and not route.username:
            yield f"{where} username: this key is missing"
        if route.to is not None:
            try:
                parse_address(route.to)
            except ValueError as error:
                yield f"{where} to: {error}"


def _hook_faults(tenant: Tenant) -> Iterator[str]:
    for hook in tenant.hooks.values():
        for event in hook.events:
            if event not in EVENTS:
                yield f"[hooks.{hook.name}] events: {unknown_key(event, EVENTS, thing='event')}"


def _credential_faults(tenant: Tenant) -> Iterator[str]:
    for credential in tenant.credentials.values():
        for network in credential.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                yield f"[credentials.{credential.name}] networks: {error}"
        if credential.messages_per_hour is not None and credential.messages_per_hour < 1:
            sentence = "messages_per_hour: write 1 or more, or leave it out for no limit"
            yield f"[credentials.{credential.name}] {sentence}"


def _toml_keys(table: Mapping[str, Any]) -> list[str]:
    return [f"{_toml_name(key)} = {_toml_value(value)}" for key, value in table.items()]


def _toml_name(name: str) -> str:
    bare = name.replace("-", "").replace("_", "")
    return name if bare.isascii() and bare.isalnum() else json.dumps(name, ensure_ascii=False)


def _toml_value(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)
