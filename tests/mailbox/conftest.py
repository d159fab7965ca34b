"""A real Dovecot for the tests of a module, and a user of it that no other test has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.dovecot import Dovecot

PASSWORD = "code-of-the-mailbox"
USERS = [f"user{number}@shop.example" for number in range(30)]


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    server = Dovecot()
    for user in USERS:
        server.add_user(user, PASSWORD)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def users() -> Iterator[str]:
    """Those that no test of the module has had."""
    return iter(USERS)


@pytest.fixture
def user(users: Iterator[str]) -> str:
    return next(users)
