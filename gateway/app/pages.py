"""The pages of the web server joined: health, downloads, new codes and OAuth2."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from fastapi import FastAPI

from gateway.app.authorizing import Authorizing, as_page
from gateway.app.foundation import Foundation
from gateway.app.reminding import Reminders
from gateway.app.renewing import Renewals
from gateway.store import codes
from gateway.store.batch import content_that_leaves
from gateway.web import authorize
from gateway.web.authorize import Told
from gateway.web.downloads import Links, routes
from gateway.web.health import HealthState, build
from gateway.web.renewal import Answer, RenewalDesk, RenewalLinks, Subject, renewal_routes

TAKEN = "the new code works and is in use. What was missed is fetched, what waits is sent."


def build_pages(
    base: Foundation,
    health: HealthState,
    *,
    links: Links,
    renewals: Renewals,
    reminders: Reminders,
    renewal_links: RenewalLinks,
    authorizing: Authorizing,
) -> FastAPI:
    """Return the application with every page."""
    pages = build(health)
    pages.include_router(
        routes(links, find=lambda message: base.store.read(content_that_leaves, message))
    )
    desk = _Desk(base, renewals, reminders, authorizing)
    pages.include_router(
        renewal_routes(
            renewal_links,
            RenewalDesk(
                find=desk.find,
                renew=desk.renew,
                begin=desk.begin,
                clock=time.time,
                ask=base.settings.console.support,
            ),
        )
    )
    pages.include_router(authorize.routes(partial(_finish, authorizing)))
    return pages


async def _finish(authorizing: Authorizing, answer: Mapping[str, str]) -> Told:
    return as_page(await authorizing.finish(answer))


class _Desk:
    def __init__(
        self,
        base: Foundation,
        renewals: Renewals,
        reminders: Reminders,
        authorizing: Authorizing,
    ) -> None:
        self._authorizing = authorizing
        self._base = base
        self._renewals = renewals
        self._reminders = reminders

    async def find(self, id_: str, address: str) -> Subject | None:
        tenant = self._base.directory.find_tenant(id_)
        mailbox = tenant.mailboxes.get(address) if tenant else None
        if tenant is None or mailbox is None:
            return None
        generations = await self._base.store.read(codes.generations)
        return self._reminders.subject(tenant, mailbox, generations)

    async def begin(self, id_: str, address: str) -> str | None:
        tenant = self._base.directory.find_tenant(id_)
        mailbox = tenant.mailboxes.get(address) if tenant else None
        if tenant is None or mailbox is None or not mailbox.needs_person:
            return None
        return (await self._authorizing.begin(tenant.id, mailbox)).url

    async def renew(self, id_: str, address: str, code: str) -> Answer:
        tenant = self._base.directory.find_tenant(id_)
        mailbox = tenant.mailboxes.get(address) if tenant else None
        if tenant is None or mailbox is None:
            return Answer(is_ok=False, meaning="There is no such mailbox any more.")
        try:
            tried = await self._renewals.renew(tenant, mailbox, code)
        except ValueError as error:
            return Answer(is_ok=False, meaning=str(error))
        last = tried.steps[-1]
        if tried.is_ok:
            return Answer(is_ok=True, meaning=TAKEN)
        return Answer(is_ok=False, meaning=last.meaning or "", fix=last.fix or "")
