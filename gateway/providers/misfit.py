"""What a tenant's accounts ask of their presets that those cannot do, URLs included; pure.

Keys written beside `provider` override the preset: an account with a `host` of its own is
refused only where it would sign in to it in the clear. The names of unknown providers are for
`mail.tenant_file.find_faults`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.config import is_loopback
from gateway.mail.address import parse_domain
from gateway.mail.tenant import Mailbox, Route, Security, Sender, Tenant, Upstream
from gateway.net.http import Refused, parse_url
from gateway.providers.catalogue import Provider

BY_MAILBOX = 'takes no password: connect its mailbox, and write mailbox = "ADDRESS" here'
NO_DETAIL = "delivers no mail to name+detail@: answers to a token would be lost, leave it out"
UNPROVEN = "answers of customers bounce where +detail is not delivered: send a mail to"
BY_CLIENT = (
    "takes no password here: give client_id in the tenant's file, and gateway mailbox authorize"
    " afterwards"
)


def find_misfits(tenant: Tenant, catalogue: Mapping[str, Provider]) -> Iterator[str]:
    """Yield `[section] key: sentence` for each account that its preset cannot serve."""
    for upstream in tenant.upstreams.values():
        provider = catalogue.get(upstream.provider)
        if provider and upstream.host is None and upstream.mailbox is None:
            yield from _of_upstream(upstream, provider)
    for mailbox in tenant.mailboxes.values():
        provider = catalogue.get(mailbox.provider)
        if provider and mailbox.host is None:
            yield from _of_mailbox(mailbox, provider)
        if provider and mailbox.oauth2:
            yield from _of_client(mailbox, provider)
    for sender in tenant.senders.values():
        provider = _provider_of(sender, tenant, catalogue)
        if sender.reply_tokens and provider and provider.behaviour.subaddresses is False:
            yield f"{_tokens_of(sender)}: {provider.name} {NO_DETAIL}"
    webhooks = {
        f"[routes.{one.name}]": one.url
        for one in tenant.routes.values()
        if one.type == "webhook"
    }
    webhooks |= {f"[hooks.{one.name}]": one.url for one in tenant.hooks.values()}
    for where, url in webhooks.items():
        if url and (fault := _url_fault(url)):
            yield f"{where} url: {fault}"
    yield from _in_the_clear(tenant)


def find_doubts(tenant: Tenant, catalogue: Mapping[str, Provider]) -> Iterator[str]:
    """Yield `[section] key: sentence` for what is taken, and perhaps not meant."""
    yield from _strange_domains(tenant, catalogue)
    yield from _unproven_tokens(tenant, catalogue)


def _strange_domains(tenant: Tenant, catalogue: Mapping[str, Provider]) -> Iterator[str]:
    """Senders at domains not known to be theirs: they send all the same, unsigned by us,
    and another tenant may claim the domain."""
    known = {name for one in catalogue.values() for name in one.domains}
    known |= {parse_domain(name) for name in tenant.domains}
    for address in tenant.senders:
        domain = parse_domain(address.rpartition("@")[2])
        if domain not in known:
            yield (
                f'[senders."{address}"]: {domain} is no domain of the tenant, so the gateway'
                f' signs nothing of it: add [domains."{domain}"], and publish what gateway'
                f" domain records {domain} prints"
            )


def _unproven_tokens(tenant: Tenant, catalogue: Mapping[str, Provider]) -> Iterator[str]:
    for sender in tenant.senders.values():
        provider = _provider_of(sender, tenant, catalogue)
        if sender.reply_tokens and not (provider and provider.behaviour.subaddresses is True):
            local, _, domain = sender.address.rpartition("@")
            tried = f"{'name' if local == '*' else local}+test@{domain}"
            yield f"{_tokens_of(sender)}: {UNPROVEN} {tried} and see whether it arrives"


def _provider_of(
    sender: Sender, tenant: Tenant, catalogue: Mapping[str, Provider]
) -> Provider | None:
    """Return where mail to a sender is read, None where it is no mailbox of the tenant."""
    mailbox = tenant.mailboxes.get(sender.address)
    return catalogue.get(mailbox.provider) if mailbox else None


def _tokens_of(sender: Sender) -> str:
    return f'[senders."{sender.address}"] reply_tokens'


def _in_the_clear(tenant: Tenant) -> Iterator[str]:
    """A password goes in the clear to this machine alone."""
    signs_in: dict[str, Upstream | Mailbox | Route] = {
        f"[upstreams.{one.name}]": one for one in tenant.upstreams.values()
    }
    signs_in |= {f'[mailboxes."{one.address}"]': one for one in tenant.mailboxes.values()}
    signs_in |= {f"[routes.{one.name}]": one for one in tenant.routes.values() if one.username}
    for where, one in signs_in.items():
        if one.security is Security.NONE and not is_loopback(one.host or ""):
            yield f'{where} security: "none" is for loopback only: write "starttls" or "tls"'


def _of_upstream(upstream: Upstream, provider: Provider) -> Iterator[str]:
    where = f"[upstreams.{upstream.name}]"
    if not provider.smtp:
        yield f"{where} provider: {_overlay(provider)}"
    elif "smtp" not in provider.login.password_for:
        yield f"{where} provider: {provider.name} {BY_MAILBOX}"
    elif fault := _region_fault(provider, upstream.region):
        yield f"{where} region: {fault}"


def _of_mailbox(mailbox: Mailbox, provider: Provider) -> Iterator[str]:
    where = f'[mailboxes."{mailbox.address}"]'
    if provider.role == "channel":
        yield f"{where} provider: {_overlay(provider)}"
    elif not provider.imap:
        sentence = "only sends: name the provider where this mailbox is read"
        yield f"{where} provider: {provider.name} {sentence}"
    elif "imap" not in provider.login.password_for and not mailbox.oauth2:
        yield f"{where} provider: {provider.name} {BY_CLIENT}"
    elif fault := _region_fault(provider, mailbox.region):
        yield f"{where} region: {fault}"


def _of_client(mailbox: Mailbox, provider: Provider) -> Iterator[str]:
    """A generic one without its URLs is told of by `mail.tenant_file.find_faults`."""
    where = f'[mailboxes."{mailbox.address}"]'
    rules = provider.oauth2
    for key in ("authorize_url", "token_url"):
        if fault := _url_fault(getattr(mailbox, key)):
            yield f"{where} {key}: {fault}"
    if rules is None and mailbox.token_url is None and provider.id != "generic":
        yield f"{where} client_id: {provider.name} has no sign-in by OAuth2 in the catalogue"
    elif mailbox.by_service_account:
        if rules is not None and not rules.service_accounts:
            yield f"{where} grant: {provider.name} knows no service accounts: leave it out"
    elif not mailbox.needs_person and not mailbox.scopes and not (rules and rules.app_scopes):
        sentence = "lets no program in without a person: leave grant out, or give scopes"
        yield f"{where} grant: {provider.name} {sentence}"


def _url_fault(url: str | None) -> str | None:
    try:
        if url is not None:
            parse_url(url)
    except Refused as refused:
        return str(refused)
    return None


def _overlay(provider: Provider) -> str:
    return f"{provider.name} is not a mail provider: name the one that the mailbox is at"


def _region_fault(provider: Provider, region: str | None) -> str | None:
    try:
        provider.check_region(region)
    except ValueError as error:
        return str(error)
    return None
