"""Secrets are planted, everything is done with them, and then they are searched for."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.journeys.customer import Customer
from tests.journeys.test_in import (
    BOX,
    RECEIVED,
    apply_tenant,
    wait_until_watched,
    write_policy,
)
from tests.journeys.test_out import PASSWORD, letter, submit
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import SECRET, Helpdesk
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

PLANTED = (
    PASSWORD,
    "the-upstream-password",
    "the-mailbox-password",
    SECRET.removeprefix("whsec_"),
    "PRIVATE KEY",
)
VERBS = (
    ("status",), ("queue", "list"), ("upstream", "list"), ("mailbox", "list"),
    ("tenant", "list"), ("tenant", "show", "acme"), ("credential", "list"), ("export", "acme"),
    ("log", "tail"), ("log", "search", "acme.example"), ("domain", "records", "acme.example"),
)  # fmt: skip


def forms(secret: str) -> list[bytes]:
    """The secret as it is, and as AUTH PLAIN and LOGIN write it."""
    plain = secret.encode()
    return [plain, *(base64.b64encode(plain[at:])[:20] for at in range(3))]


def test_no_secret_is_anywhere_but_sealed(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    write_policy(gateway, RECEIVED)
    gateway.is_cold = True
    gateway.start()
    wait_until_watched(gateway)
    submit(gateway, letter(), security="starttls")
    dovecot.deliver("support", Customer(zone).write(to=BOX))
    wait_until(lambda: len(postfix.delivered()) == 2, what=gateway.log)
    assert gateway.process is not None
    seen = {
        "log": (gateway.home / "gateway.log").read_bytes(),
        "process list": Path(f"/proc/{gateway.process.pid}/cmdline").read_bytes(),
        "environment": Path(f"/proc/{gateway.process.pid}/environ").read_bytes(),
    }
    for page in ("metrics", "healthz", "readyz"):
        with urlopen(f"http://127.0.0.1:{gateway.web}/{page}") as reply:
            seen[page] = reply.read()
    for words in VERBS:
        for form in ((), ("--json",)):
            done = gateway.run(*words, *form)
            seen[" ".join([*words, *form])] = (done.stdout + done.stderr).encode()
    gateway.stop()
    seen |= {one.name: one.read_bytes() for one in (gateway.home / "state").glob("gateway.db*")}
    found = [
        (place, secret)
        for place, text in seen.items()
        for secret in PLANTED
        if any(form in text for form in forms(secret))
    ]
    assert found == []
