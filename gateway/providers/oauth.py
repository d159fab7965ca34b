"""A mailbox's keys and its provider's preset -> the OAuth2 client that it signs in as; pure."""

from __future__ import annotations

from dataclasses import replace

from gateway.mail.tenant import Mailbox
from gateway.net.oauth import Client
from gateway.providers.catalogue import OAuth2Rules, Provider

NOTHING_KNOWN = OAuth2Rules()


def client_of(mailbox: Mailbox, provider: Provider, *, secret: str | None) -> Client:
    """Return the client of a mailbox that signs in by OAuth2; its keys override the preset."""
    rules = _of_region(provider.oauth2 or NOTHING_KNOWN, mailbox.region)
    directory = mailbox.directory or rules.directory
    is_program = mailbox.oauth2 and mailbox.grant == "client-credentials"
    of_preset = rules.app_scopes if is_program else rules.scopes
    return Client(
        client_id=mailbox.client_id or "",
        secret=secret,
        authorize_url=mailbox.authorize_url or _filled(rules.authorize, directory),
        token_url=mailbox.token_url or _filled(rules.token, directory),
        scopes=mailbox.scopes or of_preset,
        parameters=rules.parameters,
        ca_file=mailbox.ca_file,
    )


def _of_region(rules: OAuth2Rules, region: str | None) -> OAuth2Rules:
    """Return the rules with the hosts that stand in a region for those of the world."""
    by_region = {name.casefold(): hosts for name, hosts in rules.hosts_of_region.items()}
    for host, own in by_region.get((region or "").casefold(), {}).items():
        rules = replace(
            rules,
            authorize=rules.authorize.replace(host, own),
            token=rules.token.replace(host, own),
            scopes=tuple(one.replace(host, own) for one in rules.scopes),
            app_scopes=tuple(one.replace(host, own) for one in rules.app_scopes),
        )
    return rules


def _filled(url: str, directory: str) -> str:
    return url.replace("{directory}", directory)
