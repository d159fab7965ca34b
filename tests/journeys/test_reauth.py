"""A code that died, and its repair: by the command, by a file, and never by a wrong code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.journeys.customer import Customer
from tests.journeys.test_in import BOX, RECEIVED, apply_tenant, write_policy
from tests.journeys.test_mailbox_connect import CODE, options
from tests.servers import browser
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import Helpdesk
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

IMPATIENT = '[mailboxes]\ndead_after = "1s"\nlogin_waits = ["1s"]\n'


@pytest.fixture
def gateway(zone: Zone) -> Iterator[Gateway]:
    server = Gateway(more=f'[dns]\nnameservers = ["{zone.address}"]\n{IMPATIENT}', workers=1)
    yield server
    server.close()


def state_of(gateway: Gateway) -> str:
    state: str = gateway.json("mailbox", "list")[0]["state"]
    return state


def reauth(gateway: Gateway, code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "mailbox", "reauth", BOX]
    return subprocess.run(
        [*command, "--config", str(gateway.config)],
        input=f"{code}\n",
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_dead_mailbox_is_repaired_and_catches_up(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk, zone: Zone
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    gateway.start()
    wait_until(lambda: state_of(gateway) == "ok", what=gateway.log)
    dovecot.add_user("support", "the-second-code")
    dovecot.stop()
    dovecot.start()
    wait_until(lambda: state_of(gateway) == "dead", what=gateway.log)
    dovecot.deliver("support", Customer(zone).write(to=BOX))
    refused = reauth(gateway, "not-the-code")
    assert refused.returncode == 1
    assert "the code was not taken" in refused.stderr
    assert "not-the-code" not in refused.stdout + refused.stderr + gateway.log()
    assert state_of(gateway) == "dead"
    accepted = reauth(gateway, "the-second-code")
    assert accepted.returncode == 0, accepted.stderr
    wait_until(lambda: state_of(gateway) == "ok", what=gateway.log)
    wait_until(lambda: helpdesk.of_type("message.received"), what=gateway.log)


def test_the_owner_is_reminded_once_and_repairs_it_by_the_link(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    gateway.start()
    wait_until(lambda: state_of(gateway) == "ok", what=gateway.log)
    gateway.stop()
    dovecot.add_user("support", "the-second-code")
    gateway.start()
    wait_until(lambda: reminders(helpdesk), what=gateway.log, seconds=60)
    ((kind, link),) = reminders(helpdesk)
    assert kind == "dead"
    assert browser.get(link).status_code == 200
    refused = browser.post(link, data={"code": "not-the-code"})
    assert (refused.status_code, "not-the-code" in refused.text) == (200, False)
    assert state_of(gateway) == "dead"
    assert "is in use" in browser.post(link, data={"code": "the-second-code"}).text
    wait_until(lambda: state_of(gateway) == "ok", what=gateway.log)
    assert browser.get(link).status_code == 410
    assert len(reminders(helpdesk)) == 1
    mark = link.partition("mark=")[2]
    assert mark not in gateway.log()


def reminders(helpdesk: Helpdesk) -> list[tuple[str, str]]:
    told = [one.payload["data"] for one in helpdesk.of_type("mailbox.state_changed")]
    return [(one["reminder"], one["renew_url"]) for one in told if "reminder" in one]


def test_a_file_brings_a_candidate_and_the_code_that_works_stays(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk
) -> None:
    apply_tenant(gateway, postfix, dovecot, helpdesk)
    gateway.start()
    wait_until(lambda: state_of(gateway) == "ok", what=gateway.log)
    (gateway.home / "mailbox-password").write_text("a-slip-of-the-pen")
    applied = gateway.run("apply", str(gateway.home / "tenant.toml"))
    assert "the one in use stays until it works" in applied.stderr
    wait_until(lambda: "mailbox.code_refused" in gateway.log(), what=gateway.log)
    assert state_of(gateway) == "ok"
    assert "was refused" in gateway.json("mailbox", "list")[0]["reason"]
    dovecot.add_user("support", "the-second-code")
    (gateway.home / "mailbox-password").write_text("the-second-code")
    gateway.run("apply", str(gateway.home / "tenant.toml"))
    wait_until(lambda: "mailbox.code_renewed" in gateway.log(), what=gateway.log)
    wait_until(lambda: gateway.log().count("mailbox.connected") == 2, what=gateway.log)
    assert gateway.json("mailbox", "list")[0]["reason"] is None
    assert "a-slip-of-the-pen" not in gateway.log()


def test_what_waits_for_a_dead_code_leaves_once_it_is_renewed(
    gateway: Gateway, postfix: Postfix, dovecot: Dovecot, zone: Zone
) -> None:
    """The open IMAP session outlives the code; SMTP finds out first."""
    dovecot.add_user("support", CODE)
    postfix.add_user("support", CODE)
    write_policy(gateway, RECEIVED)
    gateway.run("tenant", "add", "acme")
    gateway.start()
    words = options(gateway, postfix, dovecot)
    gateway.run("mailbox", "connect", "acme", BOX, "--answers", *words)
    wait_until(lambda: "mailbox.connected" in gateway.log(), what=gateway.log)
    for server in (dovecot, postfix):
        server.add_user("support", "the-second-code")
    dovecot.deliver("support", Customer(zone).write(to=BOX))
    wait_until(
        lambda: [one["state"] for one in gateway.json("upstream", "list")] == ["paused"],
        what=gateway.log,
    )
    wait_until(lambda: "kind=dead" in gateway.log(), what=gateway.log)
    assert postfix.delivered() == []
    renewed = reauth(gateway, "the-second-code")
    assert "is in use, 1 delivery due now" in renewed.stdout
    wait_until(postfix.delivered, what=gateway.log)
    gateway.wait_for_empty_queue()
    assert len(postfix.delivered()) == 1
