"""Alerts: whoever has to know is told by a way of its own, once, and when it is over."""

from __future__ import annotations

import json
import smtplib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
import trustme

from gateway.mail.delivery import Lane, LaneKind
from gateway.store.sqlite import Store
from tests.journeys import test_in
from tests.journeys.test_out import PASSWORD, TENANT, letter
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.need import need
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import Helpdesk
from tests.store.values import set_aside

pytestmark = pytest.mark.servers

ALERTS = """
[alerts]
to = ["it@gateway.example"]
from = "gateway@gateway.example"
host = "localhost"
port = {port}
security = "starttls"
username = "alerts"
password_file = "alerts-password"
ca_file = "{ca_file}"
retry_waits = ["1s"]
"""
SECRETS = {"upstream-password": "the-upstream-password", "submission-password": PASSWORD}
OWNED = TENANT.replace('"acme"\n', '"acme"\nowner = "boss@acme.example"\n', 1)
OPERATOR, BOSS = "it@gateway.example", "boss@acme.example"
Make = Callable[..., Gateway]


@pytest.fixture
def alert_host() -> Iterator[Postfix]:
    """The server of [alerts]: another one than the tenant's upstream."""
    need("postfix", "saslpasswd2", root=True)
    server = Postfix()
    server.add_user("alerts", "the-alerts-password")
    server.start()
    yield server
    server.close()


@pytest.fixture
def make(alert_host: Postfix) -> Iterator[Make]:
    """Make a gateway with alerts; `more` is added to its gateway.conf."""
    made: list[Gateway] = []

    def make_one(more: str = "") -> Gateway:
        alerts = ALERTS.format(port=alert_host.port, ca_file=alert_host.ca_file)
        made.append(Gateway(more=alerts + more, workers=1))
        (made[-1].home / "alerts-password").write_text("the-alerts-password\n")
        return made[-1]

    yield make_one
    for one in made:
        one.close()


def arrived(server: Postfix) -> list[EmailMessage]:
    return [message_from_bytes(one, policy=default) for one in server.delivered()]


def subjects(server: Postfix, to: str) -> list[str]:
    """Return the subjects of what came to one address, without the hostname."""
    return sorted(
        str(one["Subject"]).removeprefix("[gateway.example] ")
        for one in arrived(server)
        if one["To"] == to
    )


def wait_for(server: Postfix, gateway: Gateway, subject: str, *, to: str) -> EmailMessage:
    """Return the alert that begins with `subject`, once it is there."""

    def find() -> list[EmailMessage]:
        return [
            one
            for one in arrived(server)
            if one["To"] == to
            and str(one["Subject"]).startswith(f"[gateway.example] {subject}")
        ]

    wait_until(find, what=lambda: f"{subject}\n{gateway.log()}\n{server.log()[-2000:]}")
    (found,) = find()
    return found


def test_refused_sign_ins_are_told_over_a_kill_once_and_so_is_their_end(
    make: Make, alert_host: Postfix, postfix: Postfix, dovecot: Dovecot, helpdesk: Helpdesk
) -> None:
    """While the server of [alerts] is down they wait, and take no other way."""
    gateway = make('[mailboxes]\ndead_after = "1s"\nlogin_waits = ["1s"]\n')
    test_in.apply_tenant(gateway, postfix, dovecot, helpdesk)
    tenant = gateway.home / "tenant.toml"
    tenant.write_text(tenant.read_text().replace('"acme"\n', f'"acme"\nowner = "{BOSS}"\n', 1))
    set_passwords(gateway, upstream="not-the-password", mailbox="not-the-password")
    alert_host.stop()
    gateway.start()
    submit_plain(gateway)
    wait_until(
        lambda: gateway.figure("alerts_waiting") == 4,
        what=lambda: f"four alerts\n{gateway.log()}",
    )
    assert "alerts: 4 mails not sent" in gateway.run("status").stdout
    gateway.kill()
    alert_host.start()
    gateway.start()
    begun = [
        "acme: mail does not leave by the upstream own",
        "acme: the mailbox support@acme.example is not read any more",
    ]
    for to, subject in [(OPERATOR, begun[0]), (OPERATOR, begun[1]), (BOSS, begun[0])]:
        text = wait_for(alert_host, gateway, subject, to=to).get_content()
        assert all(word in text for word in ("Since:", "Why:", "Fix:", "Look:   gateway"))
    set_passwords(gateway, upstream="the-upstream-password", mailbox="the-mailbox-password")
    reminder = "support@acme.example: a new code is needed"
    text = wait_for(alert_host, gateway, reminder, to=BOSS).get_content()
    assert "/renew/acme/support%40acme.example?" in text
    resolved = [f"Resolved: {one}" for one in begun]
    for to, ended in [(OPERATOR, resolved), (BOSS, resolved[:1])]:
        for subject in ended:
            wait_for(alert_host, gateway, subject, to=to)
    assert subjects(alert_host, OPERATOR) == sorted(begun + resolved)
    assert subjects(alert_host, BOSS) == sorted([begun[0], resolved[0], reminder])
    wait_until(postfix.delivered, what=gateway.log)
    assert len(postfix.delivered()) == 1  # the helpdesk's mail, no alert
    check_metrics(gateway, sent=7)
    for secret in ("not-the-password", "the-upstream-password", "the-alerts-password"):
        assert not any(secret.encode() in one for one in alert_host.delivered())
        assert secret not in gateway.log()


def test_what_is_wrong_with_the_server_itself_is_told_and_when_it_is_mended(
    make: Make, alert_host: Postfix
) -> None:
    """Books that differ, no room, a certificate that ends, held mail, mail that a route did
    not take, a broken policy."""
    gateway = make(
        '[tls]\ncertificate = "c.pem"\nkey = "k.pem"\n'
        '[retention]\nmax_bytes = "1KB"\n[delivery]\nstale_after = "1s"\n'
    )
    tight = gateway.config.read_text()
    roomy = tight.replace('"1KB"', '"1GB"')
    gateway.config.write_text(roomy)
    write_certificate(gateway, days=5)
    gateway.apply(OWNED.format(port=1, ca_file=alert_host.ca_file), **SECRETS)
    gateway.run("upstream", "pause", "acme", "own")
    gateway.start()
    submit_plain(gateway)
    gateway.stop()
    refuse_by_route(gateway)
    change_books(gateway, by=+1)
    gateway.config.write_text(tight)
    policy = gateway.home / "policies/tenants/acme/outbound/10-broken.sieve"
    policy.parent.mkdir(parents=True)
    policy.write_text("kepe;\n")
    with suppress(AssertionError):  # of status, which says that the books differ
        gateway.start()
    begun = [
        "New mail is answered 452: there is no room for it",
        "The books differ (sent)",
        "The certificate of the listeners ends on",
        "acme: mail is held that waited too long for the upstream own",
        "acme: the route desk did not take mail, which is set aside",
        "acme: the outbound policies do not compile",
    ]
    told = [wait_for(alert_host, gateway, subject, to=OPERATOR) for subject in begun]
    assert (
        "acme/outbound/10-broken.sieve:1: there is no command 'kepe'" in told[-1].get_content()
    )
    assert "the books do not balance" in gateway.run("status", check=False).stderr
    wait_for(alert_host, gateway, begun[-1], to=BOSS)
    wait_until(lambda: len(subjects(alert_host, BOSS)) >= 3, what=gateway.log)
    assert len(subjects(alert_host, BOSS)) == 3  # what is the tenant's
    gateway.stop()
    gateway.config.write_text(roomy)
    write_certificate(gateway, days=90)
    change_books(gateway, by=-1)
    policy.write_text("keep;\n")
    for one in gateway.json("queue", "list"):
        gateway.run("queue", "delete", one["id"])
    gateway.start()
    for subject in begun:
        wait_for(alert_host, gateway, f"Resolved: {subject}", to=OPERATOR)
    assert len(subjects(alert_host, OPERATOR)) == 2 * len(begun)


def test_the_test_alert_shows_each_step_and_what_a_failure_means(
    make: Make, alert_host: Postfix
) -> None:
    gateway = make()
    shown = gateway.json("alerts", "test")
    assert [one["step"] for one in shown["steps"]] == [
        "name", "tcp", "tls", "ehlo", "auth", "mail", "sent"
    ]  # fmt: skip
    assert shown["steps"][-1]["said"].startswith("250 2.0.0")
    assert shown["sent"] == ["it@gateway.example"]
    wait_until(alert_host.delivered, what=alert_host.log)
    assert subjects(alert_host, "it@gateway.example") == ["Test: alerts arrive"]
    assert "1 test alert sent" in gateway.run("alerts", "test").stdout
    (gateway.home / "alerts-password").write_text("not-the-password")
    done = gateway.run("alerts", "test", "--json", check=False)
    assert done.returncode == 1
    failed = json.loads(done.stdout)
    assert (failed["ok"], failed["sent"], failed["cause"]) == (False, [], "wrong-secret")
    people = gateway.run("alerts", "test", check=False)
    assert people.returncode == 1
    assert "FAILED 535" in people.stdout
    assert "fix:" in people.stdout
    assert "not-the-password" not in done.stdout + people.stdout


def set_passwords(gateway: Gateway, *, upstream: str, mailbox: str) -> None:
    (gateway.home / "upstream-password").write_text(upstream)
    (gateway.home / "mailbox-password").write_text(mailbox)
    gateway.run("apply", str(gateway.home / "tenant.toml"))


def check_metrics(gateway: Gateway, *, sent: int) -> None:
    """What has arrived is recorded a moment later."""
    wait_until(lambda: gateway.figure("alerts_waiting") == 0, what=gateway.log)
    assert gateway.figure("alerts_total", outcome="sent") == sent


def submit_plain(gateway: Gateway) -> None:
    with smtplib.SMTP("127.0.0.1", gateway.plain) as client:
        client.login("acme.zammad", PASSWORD)
        client.send_message(letter())


def write_certificate(gateway: Gateway, *, days: int) -> None:
    until = datetime.now(UTC) + timedelta(days=days)
    made = trustme.CA().issue_cert("localhost", not_after=until)
    made.private_key_pem.write_to_path(str(gateway.home / "k.pem"))
    made.cert_chain_pems[0].write_to_path(str(gateway.home / "c.pem"))


def refuse_by_route(gateway: Gateway) -> None:
    store = Store.open(gateway.home / "state/gateway.db")
    store.write_now(set_aside, Lane("acme", LaneKind.ROUTE, "desk"))
    store.close()


def change_books(gateway: Gateway, *, by: int) -> None:
    with sqlite3.connect(gateway.home / "state/gateway.db") as db:
        db.execute("UPDATE books SET count = count + ? WHERE entry = 'out.accepted'", (by,))
