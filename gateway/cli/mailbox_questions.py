"""What `gateway mailbox connect` asks: what an option gives is not asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.asking import Asking, read_address_key, read_port, read_provider, read_security
from gateway.cli.oauth_choice import OAUTH2, OAuthClient, ask_client, signs_in_by_oauth2
from gateway.cli.opening import utc_now
from gateway.cli.refusal import Refusal
from gateway.cli.tenant_source import why_not_issued
from gateway.mail.schema import parse_day, unknown_key
from gateway.providers.catalogue import Provider, load_catalogue

GENERIC = "generic"
CHANNEL = "channel"
CHANNEL_WORDS = {"amazon": "amazon-buyer-messages"}  # what people call it
DAYS = re.compile(r"\d{1,4}d")
YES, NO = ("yes", "y", "on", "true"), ("no", "n", "off", "false")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFiles:
    """Where secrets are read from, so that none is asked for."""

    password: Path | None
    client: Path | None  # of the OAuth2 client


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything that was given or answered."""

    preset: Provider
    channel: Provider | None  # on top of it: Amazon's buyer messages
    address: str
    mailbox: dict[str, Any]  # its settings, as in a tenant file
    upstream: dict[str, Any] | None  # of its own, where SMTP is not as the preset says
    client: OAuthClient | None  # None: it signs in by a password

    @property
    def secret_name(self) -> str:
        """What the provider calls its password."""
        secret, others = self.preset.login.secret, self.preset.login.secret_alternatives
        return (next(iter(others), secret) if secret == OAUTH2 else secret).replace("-", " ")


def ask_for_all(
    given: dict[str, Any], files: SecretFiles, *, redirect_uri: Callable[[], str]
) -> Wanted:
    """Ask for what is missing; raises Refusal where nobody is there to be asked."""
    asking = Asking(given)
    address = asking.ask("Address", "address", read=read_address_key)
    channel = _channel(asking, given, address)
    preset = _preset(asking, given, address, channel=channel)
    if preset.id == GENERIC or given["host"]:
        asking.ask("IMAP host", "host", read=str.strip)
        asking.ask("IMAP port", "port", default="993", read=read_port)
        usual = "tls" if given["port"] == 993 else "starttls"
        asking.ask("IMAP security", "security", default=usual, read=read_security)
        asking.ask("User name", "username", default=address, read=str.strip)
    client = None
    if signs_in_by_oauth2(asking, given, preset, has_password=files.password is not None):
        client = ask_client(
            asking, given, preset, secret_file=files.client, redirect_uri=redirect_uri
        )
    own = _own_upstream(asking, given, preset)
    if preset.login.secret_life_days or given["issued"] is not None:
        today = utc_now().date().isoformat()
        asking.ask("Day the code was made", "issued", default=today, read=_read_day)
    asking.ask(
        "Fetch mail from now on, or of the last days, as 30d",
        "fetch_from", default="now", read=_read_since,
    )  # fmt: skip
    asking.ask("Answer automatically?", "answers", default="no", read=_read_yes)
    keys = (
        "host", "port", "security", "region", "ca_file", "username", "upstream", "issued",
        "fetch_from", "answers",
    )  # fmt: skip
    settings = {key: given[key] for key in keys if given[key] is not None}
    if preset.id != GENERIC:
        settings["provider"] = preset.id
    settings |= client.settings if client else {}
    return Wanted(
        preset=preset, channel=channel, address=address, mailbox=settings, upstream=own,
        client=client,
    )  # fmt: skip


def _channel(asking: Asking, given: dict[str, Any], address: str) -> Provider | None:
    """Return the channel that was chosen; the provider of the mailbox itself is asked next."""
    if given["provider"] is None and given["host"] is None:
        asking.ask(
            "Provider (gateway provider list), amazon, or generic", "provider",
            default=_provider_of(address), read=_read_choice,
        )  # fmt: skip
    chosen = load_catalogue()[_read_choice(given["provider"] or GENERIC)]
    if chosen.role != CHANNEL:
        return None
    given["provider"] = None
    return chosen


def _preset(
    asking: Asking, given: dict[str, Any], address: str, *, channel: Provider | None
) -> Provider:
    if channel is not None and given["host"] is None:
        asking.ask(
            "Provider of the mailbox itself, or generic", "provider",
            default=_provider_of(address), read=_read_mailbox_provider,
        )  # fmt: skip
    return load_catalogue()[read_provider(given["provider"] or GENERIC)]


def _read_choice(text: str) -> str:
    word = text.strip().casefold()
    known = [*load_catalogue(), *CHANNEL_WORDS]
    if word not in known:
        raise Refusal(unknown_key(word, known, thing="provider"))
    return CHANNEL_WORDS.get(word, word)


def _read_mailbox_provider(text: str) -> str:
    name = _read_choice(text)
    if load_catalogue()[name].role == CHANNEL:
        raise Refusal(f"'{text}' is where buyers write; name the provider of the mailbox")
    return name


def _provider_of(address: str) -> str:
    """Return the provider that an address belongs to by its end, else `generic`."""
    domain = address.rpartition("@")[2]
    fitting = (one.id for one in load_catalogue().values() if domain in one.domains)
    return next(fitting, GENERIC)


def _own_upstream(
    asking: Asking, given: dict[str, Any], preset: Provider
) -> dict[str, Any] | None:
    """Return where the mailbox sends, when that was asked or given and is not the preset's."""
    if given["upstream"] is not None or (preset.id != GENERIC and not given["smtp_host"]):
        return None
    question = "SMTP host, empty when it only receives"
    if not asking.ask(question, "smtp_host", default="", read=str.strip):
        return None
    asking.ask("SMTP port", "smtp_port", default="465", read=read_port)
    usual = "tls" if given["smtp_port"] == 465 else "starttls"
    asking.ask("SMTP security", "smtp_security", default=usual, read=read_security)
    keys = {"smtp_host": "host", "smtp_port": "port", "smtp_security": "security"}
    settings = {name: given[key] for key, name in keys.items()}
    shared = {key: given[key] for key in ("ca_file",) if given[key] is not None}
    return {**settings, **shared}


def _read_since(text: str) -> str:
    since = text.strip().casefold()
    if since != "now" and not DAYS.fullmatch(since):
        raise Refusal(f"'{text}' is not a beginning: write now, or days as 30d")
    return since


def _read_yes(text: str) -> bool:
    word = text.strip().casefold()
    if word not in (*YES, *NO):
        raise Refusal(f"'{text}' is no answer: write yes or no")
    return word in YES


def _read_day(text: str) -> str:
    try:
        day = parse_day(text)
    except ValueError as error:
        raise Refusal(str(error)) from error
    if why := why_not_issued(day):
        raise Refusal(why)
    return day.isoformat()
