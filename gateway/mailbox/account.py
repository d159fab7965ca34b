"""A mailbox's settings and its provider's preset -> how to reach and to treat it; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from gateway.mail.tenant import Mailbox, Security
from gateway.net.imap import Endpoint, Folder, FolderName
from gateway.net.imap_values import decode_folder
from gateway.providers.catalogue import Provider

PROBE_WITHIN = timedelta(minutes=9)  # an IDLE that is older may be dead unnoticed
PORTS = {Security.TLS: 993, Security.STARTTLS: 143, Security.NONE: 143}
BELOW_INBOX = re.compile(r"^INBOX[./]", re.IGNORECASE)
SENT = ("sent", "sent items", "sent messages", "sent mail", "gesendet", "已发送")
JUNK = ("junk", "junk email", "junk e-mail", "spam", "bulk mail", "垃圾邮件", "垃圾郵件")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One mailbox of one tenant, with everything that the network needs to know of it."""

    tenant: str
    mailbox: Mailbox
    provider: Provider
    endpoint: Endpoint
    username: str
    poll_every: timedelta

    @property
    def address(self) -> str:
        """The mailbox's address."""
        return self.mailbox.address

    def own(self, folder: Folder) -> Folder:
        """Return an opened folder with a UIDVALIDITY that is of this account alone.

        It holds for one folder of one server (RFC 9051 §2.3.1.1), and many have the same one
        everywhere: under it, another account has the same UIDs for other mail.
        """
        named = "\n".join((self.tenant, self.endpoint.host, self.username))
        account = int.from_bytes(sha256(named.encode()).digest()[:3])
        return replace(folder, uidvalidity=account << 32 | folder.uidvalidity)

    @property
    def oauth2(self) -> bool:
        """Whether it signs in by access tokens."""
        return self.mailbox.oauth2

    @property
    def idle_for(self) -> timedelta:
        """How long one IDLE may last."""
        return min(
            timedelta(seconds=self.provider.behaviour.idle_reissue_seconds), PROBE_WITHIN
        )

    @property
    def may_idle(self) -> bool:
        """Whether IDLE is used where the server offers it."""
        return self.provider.behaviour.idle != "no"

    @property
    def says_id(self) -> bool:
        """Whether ID is sent even where it is not advertised."""
        return self.provider.behaviour.send_id == "always"


def account_of(
    tenant: str,
    mailbox: Mailbox,
    *,
    provider: Provider,
    poll_every: timedelta,
    trusted_ca: str | None = None,
) -> Account:
    """Join settings and preset; raises ValueError with one sentence when no server is known."""
    ca_files = tuple(one for one in (trusted_ca, mailbox.ca_file) if one)
    return Account(
        tenant=tenant,
        mailbox=mailbox,
        provider=provider,
        endpoint=_endpoint(mailbox, provider, ca_files),
        username=mailbox.username or _username(mailbox.address, provider),
        poll_every=_poll_every(poll_every, provider),
    )


def find_junk(folders: list[FolderName], provider: Provider) -> str | None:
    """Return the junk folder: by attribute (RFC 6154), the preset's names, common names."""
    return _find(folders, "\\junk", [*map(decode_folder, provider.behaviour.junk), *JUNK])


def find_sent(folders: list[FolderName], provider: Provider) -> str | None:
    """Return the folder for sent mail, found as the junk folder is."""
    return _find(folders, "\\sent", [*map(decode_folder, provider.behaviour.sent), *SENT])


def plain_name(folder: str) -> str:
    """Return a folder's name without "INBOX." in front, below which some keep all folders."""
    return BELOW_INBOX.sub("", folder)


def _find(folders: list[FolderName], attribute: str, names: list[str]) -> str | None:
    for folder in folders:
        if any(one.casefold() == attribute for one in folder.attributes):
            return folder.name
    by_name = {plain_name(folder.name).casefold(): folder.name for folder in folders}
    known = (name.casefold() for name in names)
    return next((by_name[name] for name in known if name in by_name), None)


def _endpoint(mailbox: Mailbox, provider: Provider, ca_files: tuple[str, ...]) -> Endpoint:
    security = mailbox.security
    if mailbox.host is None:
        domain = mailbox.address.rpartition("@")[2]
        servers = provider.imap_servers(region=mailbox.region, domain=domain)
        if not servers:
            raise ValueError(f"{provider.name} has no IMAP server in the catalogue: give host")
        known = servers[0]
        security = security or known.security
        return Endpoint(
            host=known.host,
            port=mailbox.port or known.port,
            security=security,
            ca_files=ca_files,
        )
    security = security or (Security.STARTTLS if mailbox.port == 143 else Security.TLS)
    port = mailbox.port or PORTS[security]
    return Endpoint(host=mailbox.host, port=port, security=security, ca_files=ca_files)


def _username(address: str, provider: Provider) -> str:
    if provider.login.imap_user == "local-part":
        return address.rpartition("@")[0]
    return address


def _poll_every(asked: timedelta, provider: Provider) -> timedelta:
    """Only a server that we know nothing of may be asked oftener than its preset says."""
    if provider.id == "generic":
        return asked
    return max(asked, timedelta(seconds=provider.behaviour.poll_min_seconds))
