from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.need import need
from tests.servers.postfix import Postfix
from tests.servers.webhook import Helpdesk
from tests.servers.zone import Zone


@pytest.fixture
def postfix() -> Iterator[Postfix]:
    """A provider's submission service that knows `relay`."""
    need("postfix", "saslpasswd2", root=True)
    server = Postfix()
    server.add_user("relay", "the-upstream-password")
    server.start()
    yield server
    server.close()


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    """A provider's mailboxes."""
    need("dovecot")
    server = Dovecot()
    server.start()
    yield server
    server.close()


@pytest.fixture
def helpdesk() -> Iterator[Helpdesk]:
    """The tenant's helpdesk."""
    server = Helpdesk()
    yield server
    server.close()


@pytest.fixture
def zone() -> Iterator[Zone]:
    """The public DNS."""
    server = Zone({})
    yield server
    server.close()


@pytest.fixture
def gateway(zone: Zone, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """The gateway, not yet started: one process, or as many as a module's `WORKERS` says."""
    workers = getattr(request.module, "WORKERS", 1)
    server = Gateway(more=f'[dns]\nnameservers = ["{zone.address}"]\n', workers=workers)
    yield server
    server.close()
