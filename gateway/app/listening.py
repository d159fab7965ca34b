"""What the gateway listens with: sockets that its processes share, and a certificate."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from errno import EADDRINUSE
from socket import socket

from gateway import events
from gateway.config import ConfigError, Settings, SubmissionSettings
from gateway.net.tls import Certificate, ServerTls, own_certificate
from gateway.submission.listener import open_sockets

RENEW_SECONDS = 86400.0
TRIES, TRY_SECONDS = 20, 0.5


async def open_listeners(settings: SubmissionSettings) -> list[socket]:
    """Return a socket for each listener; raises ConfigError for one that cannot be had.

    For some seconds a worker of a server that was killed has them still.
    """
    for _ in range(TRIES):
        try:
            return open_sockets(settings)
        except ConfigError as error:
            if getattr(error.__cause__, "errno", None) != EADDRINUSE:
                raise
            await asyncio.sleep(TRY_SECONDS)
    return open_sockets(settings)


def server_tls(settings: Settings) -> ServerTls:
    """Return the context of [tls], or of a certificate of our own; raises ConfigError."""
    certificate, key = settings.tls.certificate, settings.tls.key
    if certificate is not None and key is not None:
        return ServerTls(Certificate(settings.resolve(certificate), settings.resolve(key)))
    own = own_certificate(settings.state, settings.server.hostname, now=datetime.now(UTC))
    return ServerTls(own)


def report_own_certificate(settings: Settings) -> None:
    """Say whom clients must trust where the certificate is our own."""
    if settings.tls.certificate is None:
        events.tls_is_self_signed(path=str(settings.state / "ca.pem"))


async def renew_certificate(settings: Settings) -> None:
    """Look once a day whether our own certificate ends soon; runs until cancelled.

    Each process reads the files again when they have changed.
    """
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        if settings.tls.certificate is None:
            own_certificate(settings.state, settings.server.hostname, now=datetime.now(UTC))
