"""What has the right type in gateway.conf but cannot work, in one sentence each."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from urllib.parse import urlsplit

from gateway.config.settings import (
    AlertSettings,
    ConsoleSettings,
    FilterSettings,
    LimitSettings,
    Settings,
    SubmissionSettings,
    is_ip,
    is_loopback,
)
from gateway.mail.address import parse_address, parse_domain
from gateway.mail.schema import parse_limit, unknown_key
from gateway.mail.tenant import Security

MOST_WORKERS = 64
LONGEST_CHAIN = timedelta(seconds=30)  # its message and those behind it wait
LOG_FORMATS = ("text", "json", "postfix")
LAST_PORT = 65535
MOST = 2**62  # of anything: libraries count in 64 bits
DEPTHS, DEEPEST = ("nesting", "include_depth", "mime_depth"), 100  # calls within calls
FILTER_KINDS = ("score", "length", "text")


def find_faults(settings: Settings) -> list[str]:
    """Return each fault with its section and key."""
    faults = []
    if not _is_name(settings.server.hostname):
        faults.append('[server] hostname: write a domain name in ASCII: "gateway.example"')
    if not 0 <= settings.server.workers <= MOST_WORKERS:
        faults.append(f"[server] workers: write a number from 0 to {MOST_WORKERS}")
    if settings.storage.url != "sqlite":
        faults.append('[storage] url: PostgreSQL is not in this release: write "sqlite"')
    if (settings.tls.certificate is None) != (settings.tls.key is None):
        faults.append("[tls] certificate and key go together: give both or neither")
    if settings.log.format not in LOG_FORMATS:
        sentence = unknown_key(settings.log.format, LOG_FORMATS, thing="format")
        faults.append(f"[log] format: {sentence}")
    if settings.policies.on_error not in ("hold", "keep"):
        faults.append('[policies] on_error: write "hold" or "keep"')
    if settings.submission.max_bytes_at_once < settings.submission.max_message_bytes:
        faults.append("[submission] max_bytes_at_once: write max_message_bytes or more")
    faults.extend(f"[spam] {sentence}" for sentence in _filter_faults(settings.spam))
    faults.extend(f"[virus] {sentence}" for sentence in _filter_faults(settings.virus))
    faults.extend(_listener_faults(settings.submission))
    faults.extend(f"[alerts] {sentence}" for sentence in _alert_faults(settings.alerts))
    faults.extend(_network_faults(settings))
    try:
        parse_limit(settings.submission.auth_failures)
    except ValueError as error:
        faults.append(f"[submission] auth_failures: {error}")
    faults.extend(f"[console] {sentence}" for sentence in _console_faults(settings.console))
    faults.extend(_bound_faults(settings))
    faults.extend(_wait_faults(settings))
    faults.extend(_model_faults(settings))
    return faults


def _is_name(hostname: str) -> bool:
    """Whether it may stand in a greeting and behind EHLO (RFC 5321 §4.1.2)."""
    try:
        return bool(parse_domain(hostname)) and hostname.isascii()
    except ValueError:
        return False


def _console_faults(settings: ConsoleSettings) -> Iterator[str]:
    if not _is_listening_address(settings.address):
        yield 'address: write an IP address and a port: "127.0.0.1:8080"'
    if not _is_url(settings.public_url):
        yield 'public_url: write it whole: "https://gateway.example"'
    if settings.support is not None and (fault := _address_fault(settings.support)):
        yield f"support: {fault}"


def _model_faults(settings: Settings) -> Iterator[str]:
    for name, model in settings.models.items():
        if not _is_url(model.url):
            yield f'[models.{name}] url: write it whole: "http://127.0.0.1:11434/v1"'


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
    except ValueError:  # of brackets that are no address
        return False
    is_whole = url.scheme in ("https", "http") and bool(url.hostname)
    return is_whole and text.isprintable() and " " not in text


def _bound_faults(settings: Settings) -> list[str]:
    """A bound of nothing would refuse every mail, one without measure is none."""
    bounds = {
        "[submission] max_message_bytes": settings.submission.max_message_bytes,
        "[submission] max_recipients": settings.submission.max_recipients,
        "[submission] sessions": settings.submission.sessions,
        "[submission] sessions_per_address": settings.submission.sessions_per_address,
        "[submission] idle_timeout_seconds": settings.submission.idle_timeout_seconds,
        "[retention] max_bytes": settings.retention.max_bytes,
    }
    limits = {one.name: getattr(settings.limits, one.name) for one in fields(LimitSettings)}
    time = limits.pop("chain_time")
    bounds |= {f"[limits] {name}": limit for name, limit in limits.items()}
    faults = [f"{where}: write 1 or more" for where, bound in bounds.items() if bound < 1]
    faults += [f"{where}: write less" for where, bound in bounds.items() if bound > MOST]
    faults += [
        f"[limits] {name}: write at most {DEEPEST}" for name in DEPTHS if limits[name] > DEEPEST
    ]
    if not timedelta() < time <= LONGEST_CHAIN:
        faults.append('[limits] chain_time: write a duration from "1s" to "30s"')
    return faults


def _wait_faults(settings: Settings) -> list[str]:
    """What is done again and again needs a wait in between."""
    waits = {
        "[delivery] retry_waits": settings.delivery.retry_waits,
        "[routes] retry_waits": settings.routes.retry_waits,
        "[alerts] retry_waits": settings.alerts.retry_waits,
        "[mailboxes] login_waits": settings.mailboxes.login_waits,
    }
    faults = [
        f'{where}: give one wait or more, none of them 0: ["1m"]'
        for where, given in waits.items()
        if not given or min(given) <= timedelta()
    ]
    durations = {
        "[delivery] give_up_after": settings.delivery.give_up_after,
        "[routes] give_up_after": settings.routes.give_up_after,
        "[alerts] give_up_after": settings.alerts.give_up_after,
        "[mailboxes] poll_every": settings.mailboxes.poll_every,
    }
    faults += [
        f'{where}: write a duration that is not 0, such as "2m"'
        for where, given in durations.items()
        if given <= timedelta()
    ]
    return faults


def _filter_faults(settings: FilterSettings) -> list[str]:
    faults = []
    if settings.kind not in FILTER_KINDS:
        faults.append(f"kind: {unknown_key(settings.kind, FILTER_KINDS, thing='kind')}")
    if settings.maximum <= 0:
        faults.append("maximum: write a number above 0")
    for one in settings.texts:
        value, equals, _ = one.partition("=")
        if not equals or not value.strip().isdecimal():
            faults.append(f"texts: '{one}' has not the form VALUE=TEXT, such as \"5=infected\"")
    return faults


def _alert_faults(alerts: AlertSettings) -> list[str]:
    if alerts == AlertSettings():
        return []
    faults = [
        _address_fault(one) for one in (*(alerts.to or ()), alerts.sender or "a@b.example")
    ]
    faults = [one for one in faults if one]
    if not 1 <= alerts.port <= LAST_PORT:
        faults.append(f"port: write a number from 1 to {LAST_PORT}")
    if not alerts.is_on:
        faults.append("to, from and host go together: give all three")
    if (alerts.username is None) != (alerts.password_file is None):
        faults.append("username and password_file go together: give both or neither")
    in_clear = alerts.protection is Security.NONE and not is_loopback(alerts.host or "")
    if in_clear and alerts.username is not None:
        faults.append('security: no password is sent in the clear: write "starttls" or "tls"')
    return faults


def _address_fault(text: str) -> str:
    try:
        parse_address(text)
    except ValueError as error:
        return str(error)
    return ""


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
    return port.isdecimal() and int(port) <= LAST_PORT and is_ip(host.strip("[]"))


def _listener_faults(submission: SubmissionSettings) -> list[str]:
    faults = []
    addresses = [one.address for one in submission.listeners]
    for listener in submission.listeners:
        where = f"[[submission.listeners]] address '{listener.address}'"
        if addresses.count(listener.address) > 1 and not listener.address.endswith(":0"):
            faults.append(f"{where}: two listeners have it; give each its own")
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


def _may_be_plain(host: str, submission: SubmissionSettings) -> bool:
    address = ipaddress.ip_address(host)
    return address.is_loopback or bool(submission.plain_networks)
