"""A tenant file on disk and the secrets it points at, as `apply` and `check` read them."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from gateway.cli.opening import utc_now
from gateway.cli.refusal import Refusal
from gateway.config import ConfigError, load_toml
from gateway.mail.schema import SchemaError, parse_secret
from gateway.mail.tenant import Mailbox, Security, Tenant
from gateway.mail.tenant_file import (
    SECRET_KEYS,
    SECTIONS,
    TenantFile,
    find_faults,
    read_tenant_file,
)
from gateway.net.service_account import read_key
from gateway.net.tls import expiry
from gateway.providers.catalogue import load_catalogue
from gateway.providers.misfit import find_doubts, find_misfits

PATH_KEYS = ("password_file", "secret_file", "client_secret_file", "key_file", "ca_file")
WITH_SECRET = ("upstream", "mailbox", "credential", "route", "hook")
CLIENT_KEYS = ("client_secret_file", "client_secret_env")  # of a mailbox's OAuth2 client
KEY, SERVICE = "key_file", "service-account"
OF_CLIENTS = (*CLIENT_KEYS, KEY)
SHORTEST_PASSWORD = 20  # of a submission login: its hash is fast
EXPECTED = {1: "one line with the secret", 2: "one secret, or two, a line each"}
WEBHOOK_KEY, WEBHOOK_PREFIX = "secret_file", "whsec_"


@dataclass(frozen=True, slots=True)
class Source:
    """What a tenant file says, paths made absolute, and the secrets it points at."""

    file: TenantFile
    secrets: dict[tuple[str, str], str]
    doubts: tuple[str, ...] = ()  # what is taken, and perhaps not meant


def load_source(path: Path) -> Source:
    """Read a tenant file and its secrets.

    Raises Refusal with a sentence for each fault: `FILE: [section] key: ...`.
    """
    try:
        table = load_toml(path)
        file = read_tenant_file(_with_absolute_paths(table, path.parent))
    except ConfigError as error:
        raise Refusal(str(error)) from error
    except SchemaError as error:
        raise Refusal(f"{path}: {error}") from error
    catalogue = load_catalogue()
    faults = list(find_faults(file.tenant, providers=catalogue))
    faults += find_misfits(file.tenant, catalogue)
    faults += _still_to_come(file.tenant)
    secrets: dict[tuple[str, str], str] = {}
    for (kind, name), item in file.items.items():
        try:
            if secret := _load_secret(kind, item):
                secrets[kind, name] = secret
            if secret := _load_client_secret(kind, item) or _load_key(kind, item):
                secrets["client", name] = secret
            _check_authority(item)
        except SchemaError as error:
            faults.append(f"{_section(kind, name)} {error}")
    if faults:
        raise Refusal(*(f"{path}: {fault}" for fault in faults))
    return Source(file, secrets, tuple(find_doubts(file.tenant, catalogue)))


def missing_secrets(file: TenantFile, known: set[tuple[str, str]]) -> Iterator[str]:
    """Yield a sentence for each account, route and hook that waits for the secret it lacks."""
    tenant = file.tenant
    for name, upstream in tenant.upstreams.items():
        by_preset = upstream.provider != "generic" and upstream.security is not Security.NONE
        signs_in = upstream.username or by_preset
        if upstream.mailbox is None and signs_in and ("upstream", name) not in known:
            yield f"[upstreams.{name}] has no password yet: give it password_file"
    for mailbox in tenant.mailboxes.values():
        if lacking := _lacks(mailbox, known):
            yield f'[mailboxes."{mailbox.address}"] {lacking}'
    yield from _handing_over(tenant, known)
    for name in tenant.credentials:
        if ("credential", name) not in known:
            make = f"gateway credential add {tenant.id} {name}"
            yield f"[credentials.{name}] has no password yet: {make}"


def _handing_over(tenant: Tenant, known: set[tuple[str, str]]) -> Iterator[str]:
    for name, route in tenant.routes.items():
        if ("route", name) in known:
            continue
        if route.type == "webhook":
            yield f"[routes.{name}] has no secret yet: give it {WEBHOOK_KEY}"
        elif route.username:
            yield f"[routes.{name}] has no password yet: give it password_file"
    for name in tenant.hooks:
        if ("hook", name) not in known:
            yield f"[hooks.{name}] has no secret yet: give it {WEBHOOK_KEY}"


def _lacks(mailbox: Mailbox, known: set[tuple[str, str]]) -> str | None:
    if not mailbox.oauth2:
        has_password = ("mailbox", mailbox.address) in known
        return None if has_password else "has no password yet: give it password_file"
    if not mailbox.needs_person:
        lacking = "client secret yet: give it client_secret_file"
        if mailbox.by_service_account:
            lacking = f"key yet: give it {KEY}"
        return None if ("client", mailbox.address) in known else f"has no {lacking}"
    if ("refresh", mailbox.address) in known:
        return None
    return f"has no permission yet: gateway mailbox authorize {mailbox.address}"


def read_secret_file(key: str, name: str, *, most_lines: int = 1) -> str:
    """Return the one line of a secret's file; raises SchemaError under `key`.

    A webhook's may have two lines, while its secret is changed: each post is signed by both.
    """
    try:
        text = parse_secret(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise SchemaError(key, f"{name}: {why}") from error
    except UnicodeDecodeError as error:
        raise SchemaError(key, f"{name}: is not UTF-8 text") from error
    if not text or text.count("\n") >= most_lines:
        raise SchemaError(key, f"{name}: expects {EXPECTED[most_lines]}")
    return text


def why_not_issued(day: date) -> str | None:
    """Return why no code can have been made on a day, time zones allowed for: its end would be
    announced too late."""
    tomorrow = utc_now().date() + timedelta(days=1)
    return f"{day} is still to come: write when it was made" if day > tomorrow else None


def _with_absolute_paths(table: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return the table with its paths as seen from the file; other faults are left in."""
    return {
        section: {name: _resolved(item, root) for name, item in items.items()}
        if section in SECTIONS and isinstance(items, dict)
        else items
        for section, items in table.items()
    }


def _resolved(item: Any, root: Path) -> Any:
    if not isinstance(item, dict):
        return item
    return {
        key: str((root / value).resolve())
        if key in PATH_KEYS and isinstance(value, str)
        else value
        for key, value in item.items()
    }


def _load_secret(kind: str, item: Mapping[str, Any]) -> str | None:
    key = _only_key(item, [one for one in SECRET_KEYS if one not in OF_CLIENTS])
    if key is None:
        return None
    if "client_id" in item or item.get("grant") == SERVICE:
        says = "client_id" if "client_id" in item else "grant"
        raise SchemaError(key, f"{says} says that it signs in by OAuth2: leave this out")
    word = "secret" if kind == "hook" or item.get("type") == "webhook" else "password"
    if kind not in WITH_SECRET or not key.startswith(word):
        raise SchemaError(key, f"there is no key '{key}' here")
    secret = _read(key, item[key])
    _check_shape(kind, key, secret)
    return secret


def _load_client_secret(kind: str, item: Mapping[str, Any]) -> str | None:
    """Return the secret of an OAuth2 client; it is none without its client_id."""
    key = _only_key(item, CLIENT_KEYS)
    if key is None:
        return None
    if kind != "mailbox" or "client_id" not in item:
        sentence = "it goes with client_id" if kind == "mailbox" else "only a mailbox has one"
        raise SchemaError(key, f"there is no client here: {sentence}")
    return _read(key, item[key])


def _load_key(kind: str, item: Mapping[str, Any]) -> str | None:
    """Return the key of a service account as one line of JSON, None where none is given."""
    if KEY not in item:
        return None
    if kind != "mailbox" or item.get("grant") != SERVICE:
        raise SchemaError(KEY, f'it goes with grant = "{SERVICE}" of a mailbox')
    if not isinstance(item[KEY], str):
        raise SchemaError(KEY, "expects text in quotes")
    try:
        return read_key(Path(item[KEY]).read_text("utf-8-sig")).text
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise SchemaError(KEY, f"{item[KEY]}: {why}") from error
    except ValueError as error:
        raise SchemaError(KEY, f"{item[KEY]}: {error}") from error


def _check_authority(item: Mapping[str, Any]) -> None:
    """Raise SchemaError for a `ca_file` that holds no certificate."""
    if name := item.get("ca_file"):
        try:
            expiry(Path(name))
        except ConfigError as error:
            raise SchemaError("ca_file", str(error)) from error


def _only_key(item: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """Return the one of `keys` that is given; raises SchemaError when two are."""
    given = [key for key in keys if key in item]
    if len(given) > 1:
        raise SchemaError(given[1], f"{given[0]} is given already: keep one of them")
    return given[0] if given else None


def _read(key: str, place: object) -> str:
    if not isinstance(place, str):
        raise SchemaError(key, "expects text in quotes")
    if not key.endswith("file"):
        return _read_env(key, place)
    return read_secret_file(key, place, most_lines=2 if key == WEBHOOK_KEY else 1)


def _read_env(key: str, name: str) -> str:
    if not (secret := parse_secret(os.environ.get(name, ""))):
        raise SchemaError(key, f"the environment variable {name} is not set")
    return secret


def _check_shape(kind: str, key: str, secret: str) -> None:
    if kind == "credential" and len(secret) < SHORTEST_PASSWORD:
        sentence = f"a submission password has at least {SHORTEST_PASSWORD} characters"
        raise SchemaError(key, sentence)
    if key.startswith("secret") and not _is_webhook_secret(secret):
        raise SchemaError(key, f"a webhook's secret is {WEBHOOK_PREFIX} and base64")


def _is_webhook_secret(text: str) -> bool:
    secrets = text.split()
    if not secrets or not all(one.startswith(WEBHOOK_PREFIX) for one in secrets):
        return False
    bare = [one.removeprefix(WEBHOOK_PREFIX) for one in secrets]
    try:
        return all(base64.b64decode(one, validate=True) for one in bare)
    except ValueError:  # not base64, or not ASCII
        return False


def _still_to_come(tenant: Tenant) -> Iterator[str]:
    for mailbox in tenant.mailboxes.values():
        if mailbox.issued and (why := why_not_issued(mailbox.issued)):
            yield f"{_section('mailbox', mailbox.address)} issued: {why}"


def _section(kind: str, name: str) -> str:
    section = next(section for section, (of_kind, _) in SECTIONS.items() if of_kind == kind)
    quoted = name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
    return f"[{section}.{quoted}]"
