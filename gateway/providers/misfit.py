"""What a tenant's accounts ask of their presets that those cannot do; pure.

Keys written beside `provider` override the preset: an account with a `host` of its own is
never refused here. The names of unknown providers are for `mail.tenant_file.find_faults`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.mail.tenant import Mailbox, Tenant, Upstream
from gateway.providers.catalogue import Provider

NO_SIGN_IN = "takes no password here, and its OAuth2 sign-in is not in this release"


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


def _of_upstream(upstream: Upstream, provider: Provider) -> Iterator[str]:
    where = f"[upstreams.{upstream.name}]"
    if not provider.smtp:
        yield f"{where} provider: {_overlay(provider)}"
    elif "smtp" not in provider.login.password_for:
        yield f"{where} provider: {provider.name} {NO_SIGN_IN}"
    elif fault := _region_fault(provider, upstream.region):
        yield f"{where} region: {fault}"


def _of_mailbox(mailbox: Mailbox, provider: Provider) -> Iterator[str]:
    where = f'[mailboxes."{mailbox.address}"]'
    if provider.role == "channel":
        yield f"{where} provider: {_overlay(provider)}"
    elif not provider.imap:
        sentence = "only sends: name the provider where this mailbox is read"
        yield f"{where} provider: {provider.name} {sentence}"
    elif "imap" not in provider.login.password_for:
        yield f"{where} provider: {provider.name} {NO_SIGN_IN}"
    elif fault := _region_fault(provider, mailbox.region):
        yield f"{where} region: {fault}"


def _overlay(provider: Provider) -> str:
    return f"{provider.name} is not a mail provider: name the one that the mailbox is at"


def _region_fault(provider: Provider, region: str | None) -> str | None:
    try:
        provider.check_region(region)
    except ValueError as error:
        return str(error)
    return None
