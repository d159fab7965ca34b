"""A mailbox's keys and its provider's preset -> the OAuth2 client that it signs in as; pure."""

from __future__ import annotations

from gateway.mail.tenant import Mailbox
from gateway.net.oauth import Client
from gateway.providers.catalogue import OAuth2Rules, Provider

NOTHING_KNOWN = OAuth2Rules()


def client_of(mailbox: Mailbox, provider: Provider, *, secret: str | None) -> Client:
    """Return the client of a mailbox that signs in by OAuth2; its keys override the preset."""
    rules = provider.oauth2 or NOTHING_KNOWN
    directory = mailbox.directory or rules.directory
    of_preset = rules.scopes if mailbox.needs_person else rules.app_scopes
    return Client(
        client_id=mailbox.client_id or "",
        secret=secret,
        authorize_url=mailbox.authorize_url or _filled(rules.authorize, directory),
        token_url=mailbox.token_url or _filled(rules.token, directory),
        scopes=mailbox.scopes or of_preset,
        parameters=rules.parameters,
        ca_file=mailbox.ca_file,
    )


def _filled(url: str, directory: str) -> str:
    return url.replace("{directory}", directory)
