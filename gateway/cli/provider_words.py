"""The catalogue's words in sentences, as `gateway provider` prints them; pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.providers.catalogue import Provider, Server

Pair = tuple[str, str | int | float | None]

GROUPS = {
    "senders": "Sending services: they only send; pair one with a mailbox for the answers",
    "cn": "Mailboxes in China",
    "intl": "Mailboxes elsewhere",
    "channel": "Channels: rules on top of a mailbox at another provider",
    "generic": "Any other: written out with host, port and security",
}
SECRETS = {
    "authorization-code": "an authorization code, not the password of the web mail",
    "client-password": "a password made for mail programs, not the one of the web mail",
    "app-password": "an app password, not the one of the account",
    "password": "the account's own password",
    "generated": "a generated password",
    "smtp-key": "an SMTP key, made for sending only",
    "api-key": "an API key",
    "token": "a token",
    "oauth2": "a sign-in by OAuth2",
}
USERS = {
    "address": "the address",
    "local-part": "the address without its domain",
    "login-address": "the address that one signs in with, not an alias",
    "generated": "given by the provider",
    "same-as-secret": "the same as the password",
}
RULES = {
    "same-as-username": "the account's own address only",
    "own-alias": "the account's own address and its aliases",
    "verified-identity": "an address or domain that was verified there",
    "verified-domain": "a domain that was verified there",
}
SIGNED = {
    "sign": "by the gateway, for the tenant's domain",
    "without-ids": "by the gateway, but for Message-ID and Date, which are replaced there",
    "none": "by the provider alone",
}
OTHERWISE = {
    "reject-mail-from": "refused before the mail is handed over",
    "reject-rcpt": "refused at the recipient",
    "reject-data": "refused after the mail is handed over",
    "reject": "refused",
    "reject-or-async": "refused, or accepted and then dropped there",
    "async": "accepted, and then dropped there",
    "rewrite-from": "replaced in silence",
    "unknown": "not known",
}


def servers(provider: Provider) -> Iterator[Pair]:
    """Yield who it is and where it is reached."""
    yield "provider", provider.id
    yield "name", f"{provider.name} {provider.name_zh}".strip()
    yield "what it is", provider.note
    own = "your own domain" if provider.own_domains else ""
    yield "addresses", ", ".join((*provider.domains, own)).strip(", ")
    yield "regions", ", ".join(provider.known_regions)
    yield "imap", _listed(provider.imap)
    yield "smtp", _listed(provider.smtp)


def password(provider: Provider) -> Iterator[Pair]:
    """Yield what signs in, how it is got, listed, revoked and replaced, as far as is known."""
    login = provider.login
    if provider.role == "channel":
        return
    yield "user name", _user_name(provider)
    other = [SECRETS[one] for one in login.secret_alternatives if one in SECRETS]
    yield "password", " or ".join((SECRETS[login.secret], *other))
    yield "looks like", login.secret_shape
    yield "mind", login.secret_note
    yield "opens", _opens(provider)
    yield from _oauth2(provider)
    yield "get it", "by the steps below" if login.setup else None
    yield "list, revoke", login.manage_at
    yield "replace", _replacing(provider)
    life = f"{login.secret_life_days} days. " if login.secret_life_days else ""
    yield "lives", (life + login.secret_life_note).strip()


def sending(provider: Provider) -> Iterator[Pair]:
    """Yield who may stand in From, how mail for it is signed, and the domain's records."""
    if provider.role == "channel":
        return
    yield "from", RULES[provider.sender.rule]
    yield "rule", provider.sender.rule_note
    yield "other from", OTHERWISE[provider.sender.otherwise]
    yield "signed", SIGNED[provider.dkim_profile]
    yield "spf", provider.dns.spf
    yield "dkim", provider.dns.dkim


def believed(provider: Provider) -> Iterator[Pair]:
    """Yield whose word counts for who wrote a mail that is read there."""
    if not provider.imap:
        return
    said = "Authentication-Results" if provider.authserv_ids else ""
    path = "Return-Path" if provider.writes_return_path else ""
    if named := " and ".join(filter(None, (said, path))):
        yield "believed", f"its {named}, and DKIM as verified here"
    elif provider.results_name_sender:
        yield (
            "believed",
            "SPF and DKIM as verified here, by the client and envelope sender that it names",
        )
    else:
        yield (
            "believed",
            "DKIM, as verified here, alone:"
            " how it writes Authentication-Results is not known for certain",
        )


def limits(provider: Provider) -> Iterator[tuple[str, str | int]]:
    """Yield what it allows, as far as is published."""
    known = provider.limits
    pairs = {
        "figures of": known.plan,
        "a second": known.per_second,
        "a minute": known.per_minute,
        "an hour": known.per_hour,
        "a day": known.per_day,
        "recipients a day": known.recipients_per_day,
        "recipients a mail": known.recipients_per_message,
        "connections": known.connections,
        "mails a connection": known.messages_per_connection,
        "largest mail": f"{known.message_mb} MB" if known.message_mb else None,
        "note": known.note,
    }
    for name, value in pairs.items():
        if value not in (None, ""):
            yield name, value


def some(domains: tuple[str, ...]) -> str:
    """Return the first few domains."""
    shown = ", ".join(domains[:4])
    return f"{shown} and {len(domains) - 4} more" if len(domains) > 4 else shown


def _listed(found: tuple[Server, ...]) -> str:
    return "; ".join(
        f"{one.host}:{one.port} {one.security}" + (f" ({one.region})" if one.region else "")
        for one in found
    )


def _user_name(provider: Provider) -> str:
    kind = provider.login.smtp_user if provider.smtp else provider.login.imap_user
    text = USERS.get(kind, kind.removeprefix("fixed:"))
    return ": ".join(one for one in (text, provider.login.smtp_user_note) if one)


def _opens(provider: Provider) -> str | None:
    opened = provider.login.password_for
    if not opened:
        return "nothing: it takes OAuth2, a client_id and gateway mailbox authorize"
    if provider.imap and "imap" not in opened:
        return "SMTP only: reading takes OAuth2, a client_id and gateway mailbox authorize"
    return None


def _oauth2(provider: Provider) -> Iterator[Pair]:
    if (rules := provider.oauth2) is None:
        return
    yield "oauth2", "an app of your own there, its id as client_id; gateway mailbox authorize"
    yield "asks for", ", ".join(rules.scopes)
    yield "oauth2 note", rules.note
    by_program = rules.app_scopes or rules.service_accounts
    yield "no person", rules.app_only if by_program else None


def _replacing(provider: Provider) -> str | None:
    if not provider.login.manage_at:
        return None
    return "make the new one, gateway apply, and revoke the old one when mail flows again"
