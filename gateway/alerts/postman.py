"""Sends the alerts that wait, again after each wait, until they are taken or too old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from gateway import events
from gateway.config import AlertSettings, ConfigError
from gateway.delivery.probe import Step
from gateway.mail.trouble import Alert
from gateway.store import alerts
from gateway.store.sqlite import Store

ABOUT_THE_MAIL = ("mail", "sent")  # steps that another alert may pass

Send = Callable[[Alert], Awaitable[Sequence[Step]]]


class Postman:
    """Carries alerts from the store to the server of [alerts]."""

    def __init__(self, store: Store, send: Send, settings: AlertSettings) -> None:
        self._store = store
        self._send = send
        self._settings = settings
        self._taken: dict[str, str] = {}  # what was said to those that were not written down

    async def go_round(self, *, now: datetime) -> None:
        """Try every alert that is due; nothing that the server does is raised.

        When the server lets nobody in, those behind the first one wait untried. What it took
        is not sent again where that could not be written down, as on a full disk. Raises
        StoreError.
        """
        shut: str | None = None
        for alert in await self._store.read(alerts.due_alerts, now=now):
            if shut is not None:
                await self._defer(alert, shut, now=now)
                continue
            if alert.message_id not in self._taken:
                last = await self._try(alert)
                if not last.is_ok:
                    await self._defer(alert, last.said, now=now)
                    shut = None if last.name in ABOUT_THE_MAIL else last.said
                    continue
                self._taken[alert.message_id] = last.said
            await self._store.write(alerts.finish_alert, alert, outcome=alerts.SENT)
            said = self._taken.pop(alert.message_id)
            events.alert_tried(alert=alert, outcome="sent", reply=said)

    async def _try(self, alert: Alert) -> Step:
        """Return the last step that was taken; one of ours when none could be."""
        try:
            return (await self._send(alert))[-1]
        except ConfigError as error:
            return Step(name="auth", seconds=0.0, said=str(error), cause="config")
        except ValueError as error:  # an owner's address that is none
            return Step(name="mail", seconds=0.0, said=str(error), cause="address")

    async def _defer(self, alert: Alert, said: str, *, now: datetime) -> None:
        if now - alert.queued_at >= self._settings.give_up_after:
            await self._store.write(alerts.finish_alert, alert, outcome=alerts.FAILED)
            events.alert_tried(alert=alert, outcome="failed", reply=said)
            return
        waits = self._settings.retry_waits
        at = now + waits[min(alert.attempts, len(waits) - 1)]
        await self._store.write(alerts.defer_alert, alert, reply=said, next_attempt_at=at)
        events.alert_tried(alert=alert, outcome="deferred", reply=said)
