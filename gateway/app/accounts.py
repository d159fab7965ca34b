"""Where each lane leads: a tenant's upstream or route, joined with its provider's preset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.app.directory import Directory
from gateway.app.tokens import NOT_AUTHORIZED, AccessTokens
from gateway.config import Settings
from gateway.delivery.rate import LaneLimits
from gateway.delivery.upstream import Account, limits_of
from gateway.mail.delivery import Batch, Lane, LaneKind
from gateway.mail.reply import Reply
from gateway.mail.tenant import Mailbox, Route, Security, Tenant, Upstream
from gateway.net.oauth import TokenRefused
from gateway.net.smtp import NO_REPLY, Endpoint, Login, TlsPolicy
from gateway.net.unreachable import Unreachable
from gateway.providers.catalogue import Provider

MOST_KEPT = 1000
OF_UPSTREAMS = (LaneKind.UPSTREAM, LaneKind.CAPTURE)
LMTP_PORT = 24  # RFC 2033 §5: any but 25
PORTS = {Security.STARTTLS: 587, Security.TLS: 465, Security.NONE: 25}


class Accounts:
    """Finds the account of a lane; a lane named by an address is that mailbox's own account.

    An account that signs in has none without its secret: in no moment, however short, does
    mail go to a provider's server in nobody's name.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        catalogue: Mapping[str, Provider],
        tokens: AccessTokens | None = None,
    ) -> None:
        """Without `tokens` whoever only asks after limits: nothing is signed in to by them."""
        self._tokens = tokens
        self._settings = settings
        self._directory = directory
        self._catalogue = catalogue
        self._found: dict[tuple[int, Lane, str], Account | None] = {}

    async def find(self, batch: Batch, *, refused: str | None = None) -> Account | None:
        """Return where a batch leaves, None when that is not configured any more.

        It is put together once for each sender, until a tenant changes; anew each time where
        it signs in by an access token, which is another one than the `refused`.
        """
        key = (self._directory.revision, batch.lane, batch.header_from)
        if key not in self._found:
            if len(self._found) >= MOST_KEPT or any(one[0] != key[0] for one in self._found):
                self._found.clear()
            account = await self.of_lane(batch.lane, sender=batch.header_from, refused=refused)
            if account is not None and _has_token(account):
                return account
            self._found[key] = account
        return self._found[key]

    async def of_lane(
        self, lane: Lane, *, sender: str, refused: str | None = None
    ) -> Account | None:
        """Return where a lane leads for mail of `sender`, None when it is not configured."""
        tenant = self._directory.find_tenant(lane.tenant)
        if tenant is None:
            return None
        return await self._of_tenant(tenant, lane, sender=sender, refused=refused)

    async def of_mailbox(
        self, tenant: Tenant, mailbox: Mailbox, *, secret: str
    ) -> Account | None:
        """Return the account that a mailbox's own mail leaves by, None when there is none.

        Where that is the mailbox's own, it signs in by `secret`, kept or not yet.
        """
        lane = self.lane_of_mailbox(tenant, mailbox)
        upstream = _upstream_of(tenant, lane) if lane else None
        if lane is None or upstream is None:
            return None
        if upstream.mailbox == mailbox.address:
            return self._by_code(upstream, mailbox, secret=secret)
        return await self._of_tenant(tenant, lane, sender=mailbox.address)

    def lane_of_mailbox(self, tenant: Tenant, mailbox: Mailbox) -> Lane | None:
        """Return by which lane a mailbox's own mail leaves (design §12), None: by none."""
        sender = tenant.find_sender(mailbox.address)
        name = mailbox.upstream or (sender.upstream if sender else None)
        provider = self._catalogue[mailbox.provider]
        if name is None and provider.smtp and provider.id != "generic":
            name = mailbox.address
        return Lane(tenant.id, LaneKind.UPSTREAM, name) if name else None

    def own_mailbox(self, lane: Lane) -> Mailbox | None:
        """Return the mailbox whose own account a lane leads to, None where it is another."""
        tenant = self._directory.find_tenant(lane.tenant)
        upstream = _upstream_of(tenant, lane) if tenant else None
        if tenant is None or upstream is None or lane.kind is not LaneKind.UPSTREAM:
            return None
        return tenant.mailboxes.get(upstream.mailbox or "")

    async def _of_tenant(
        self, tenant: Tenant, lane: Lane, *, sender: str, refused: str | None = None
    ) -> Account | None:
        if lane.kind is LaneKind.ROUTE:
            route = tenant.routes.get(lane.name)
            return await self._of_route(tenant, route) if route else None
        upstream = _upstream_of(tenant, lane)
        if upstream is None:
            return None
        if upstream.mailbox is not None:
            mailbox = tenant.mailboxes.get(upstream.mailbox)
            if mailbox is None:
                return None
            if mailbox.oauth2:
                return await self._by_token(tenant.id, upstream, mailbox, refused=refused)
            secret = await self._directory.secret(tenant.id, "mailbox", mailbox.address)
            return self._by_code(upstream, mailbox, secret=secret)
        secret = await self._directory.secret(tenant.id, "upstream", upstream.name)
        return self.of_upstream(upstream, sender=sender, secret=secret)

    def of_upstream(
        self, upstream: Upstream, *, sender: str, secret: str | None
    ) -> Account | None:
        """Return the account of an upstream with a secret of its own, kept or not yet."""
        provider = self._catalogue.get(upstream.provider)
        common = provider.common_username(secret) if provider else None
        login = _login(upstream.username or common or sender, secret)
        account = self._account(upstream, provider, address=sender, login=login)
        signs_in = bool(upstream.username) or upstream.provider != "generic"
        return account if login or not (signs_in and _is_outside(account)) else None

    def limits(self, lane: Lane) -> LaneLimits:
        """Return how much a lane may carry at once."""
        tenant = self._directory.find_tenant(lane.tenant)
        limits = limits_of(self._provider(tenant, lane))
        return replace(limits, dead_after=self._settings.mailboxes.dead_after)

    def max_message_bytes(self, upstream: Upstream) -> int | None:
        """Return the largest message an upstream takes, None when it is not known."""
        provider = self._catalogue.get(upstream.provider)
        of_preset = provider.limits.max_message_bytes if provider else None
        return upstream.max_message_bytes or of_preset

    def takes_null_sender(self, tenant: Tenant, lane: Lane) -> bool:
        """Whether a lane takes mail with an empty return path: some providers refuse it."""
        sender = self._provider(tenant, lane).sender
        return (sender.rule, sender.otherwise) != ("same-as-username", "reject-mail-from")

    def _provider(self, tenant: Tenant | None, lane: Lane) -> Provider:
        generic = self._catalogue["generic"]
        upstream = _upstream_of(tenant, lane) if tenant else None
        if tenant is None or upstream is None or lane.kind not in OF_UPSTREAMS:
            return generic
        mailbox = tenant.mailboxes.get(upstream.mailbox or "")
        return self._catalogue.get((mailbox or upstream).provider, generic)

    def _of_mailbox(
        self, upstream: Upstream, mailbox: Mailbox, *, secret: str | None
    ) -> Account | None:
        provider = self._catalogue.get(mailbox.provider)
        username = upstream.username or mailbox.username or mailbox.address
        login = _login(username, secret, oauth2=mailbox.oauth2)
        account = self._account(upstream, provider, address=mailbox.address, login=login)
        names_mail = provider is not None and provider.sender.copies_tell_ids
        return replace(account, names_mail=names_mail) if account else None

    def _by_code(
        self, upstream: Upstream, mailbox: Mailbox, *, secret: str | None
    ) -> Account | None:
        account = self._of_mailbox(upstream, mailbox, secret=secret)
        return account if secret or not _is_outside(account) else None

    async def _by_token(
        self, tenant: str, upstream: Upstream, mailbox: Mailbox, *, refused: str | None
    ) -> Account | None:
        try:
            found = self._tokens and await self._tokens.get(tenant, mailbox, refused=refused)
            token = found or NOT_AUTHORIZED
        except Unreachable as error:
            said = Reply(NO_REPLY, None, str(error))
        else:
            if not isinstance(token, TokenRefused):
                return self._of_mailbox(upstream, mailbox, secret=token)
            said = Reply(token.status, None, token.text)
        account = self._of_mailbox(upstream, mailbox, secret=None)
        return replace(account, without_token=said) if account else None

    def _account(
        self,
        upstream: Upstream,
        provider: Provider | None,
        *,
        address: str,
        login: Login | None,
    ) -> Account | None:
        """Join the keys of an upstream with its preset; None when no server is known."""
        if provider is None:
            return None
        endpoint = _endpoint(upstream, provider, address.rpartition("@")[2])
        if endpoint is None:
            return None
        if login is not None:
            login = replace(login, secret=provider.login.as_sent(login.secret))
        return Account(
            endpoint=endpoint,
            credentials=login,
            provider=provider,
            tls=self._tls(upstream.ca_file),
            dkim_profile=provider.dkim_profile,
        )

    async def _of_route(self, tenant: Tenant, route: Route) -> Account | None:
        secret = await self._directory.secret(tenant.id, "route", route.name)
        is_lmtp = route.type == "lmtp"
        port = route.port or (LMTP_PORT if is_lmtp else PORTS[route.security])
        host, security = route.host or "", route.security
        if route.username and not secret:
            return None
        return Account(
            endpoint=Endpoint(host=host, port=port, security=security, lmtp=is_lmtp),
            credentials=_login(route.username or "", secret),
            provider=self._catalogue["generic"],
            tls=self._tls(route.ca_file),
            dkim_profile="none",
        )

    def _tls(self, ca_file: str | None) -> TlsPolicy:
        trusted = ca_file or self._settings.delivery.trusted_ca
        return TlsPolicy(ca_file=self._settings.resolve(trusted) if trusted else None)


def _upstream_of(tenant: Tenant, lane: Lane) -> Upstream | None:
    """Return the upstream of a lane; one named by an address is that mailbox's own account."""
    if lane.name in tenant.mailboxes:
        own = tenant.mailboxes[lane.name]
        return Upstream(
            name=lane.name, mailbox=lane.name, region=own.region, ca_file=own.ca_file
        )
    return tenant.upstreams.get(lane.name)


def _endpoint(upstream: Upstream, provider: Provider, domain: str) -> Endpoint | None:
    """Return the server: keys beside `provider` come before those of the preset."""
    try:
        servers = provider.smtp_servers(region=upstream.region, domain=domain)
    except ValueError:  # a region that the preset does not have
        servers = []
    by_hand = provider.id == "generic"  # its servers are guesses for a dialogue
    preset = servers[0] if servers and not by_hand else None
    host = upstream.host or (preset.host if preset else None)
    security = upstream.security or (preset.security if preset else Security.STARTTLS)
    if host is None:
        return None
    same = preset is not None and security is preset.security
    port = upstream.port or (preset.port if preset and same else PORTS[security])
    return Endpoint(host=host, port=port, security=security)


def _is_outside(account: Account | None) -> bool:
    """Whether it is more than a server on this machine, which need not ask who is there."""
    return account is not None and account.endpoint.security is not Security.NONE


def _login(username: str, secret: str | None, *, oauth2: bool = False) -> Login | None:
    return Login(username=username, secret=secret, oauth2=oauth2) if secret else None


def _has_token(account: Account) -> bool:
    """Whether an account is good for a while only."""
    login = account.credentials
    return account.without_token is not None or (login is not None and login.oauth2)
