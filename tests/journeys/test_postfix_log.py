"""`[log] format = "postfix"`: Debian's pflogsumm and fail2ban read our log as Postfix's."""

from __future__ import annotations

import re
import smtplib
import sqlite3
import subprocess
from collections.abc import Iterator

import pytest

from tests.journeys.test_out import PASSWORD, TENANT, letter
from tests.servers.gateway import Gateway
from tests.servers.need import need
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.webhook import SECRET, Helpdesk

pytestmark = pytest.mark.servers

ROUTE = """
[routes.helpdesk]
type = "webhook"
url = "{url}"
secret_file = "hook"
"""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway(more='[log]\nformat = "postfix"\n')
    yield server
    server.close()


def submit(gateway: Gateway, to: str, *, sender: str = "support@acme.example") -> int:
    """Submit a letter; return the code of the reply to its final dot."""
    message = letter(to=to)
    del message["From"]
    message["From"] = sender
    with smtplib.SMTP("127.0.0.1", gateway.plain) as client:
        client.login("acme.zammad", PASSWORD)
        try:
            client.send_message(message)
        except smtplib.SMTPDataError as refused:
            return refused.smtp_code
    return 250


def sizes(gateway: Gateway) -> dict[str, list[int]]:
    """Return the sizes of the stored mails, by kind."""
    with sqlite3.connect(gateway.home / "state/gateway.db") as db:
        rows = db.execute("SELECT kind, size_bytes FROM messages ORDER BY id").fetchall()
    return {
        kind: [one for found, one in rows if found == kind] for kind in ("submission", "bounce")
    }


def pflogsumm(gateway: Gateway) -> str:
    """Return the report on the whole log."""
    done = subprocess.run(
        ["pflogsumm", "--smtpd-stats", str(gateway.home / "gateway.log")],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def figure(report: str, name: str) -> int:
    found = re.search(rf"^ +(\d+) +{re.escape(name)}", report, re.MULTILINE)
    assert found, f"no {name} in\n{report}"
    return int(found.group(1))


def section(report: str, title: str) -> dict[str, int]:
    """Return the rows of one table: a number for each name."""
    body = report.partition(f"\n{title}\n")[2].split("\n\n")[0]
    rows = re.findall(r"^ +(\d+) +(\S+@\S+|from=<>)$", body, re.MULTILINE)
    return {name: int(count) for count, name in rows}


def test_pflogsumm_counts_what_was_sent(
    gateway: Gateway, postfix: Postfix, helpdesk: Helpdesk
) -> None:
    need("pflogsumm")
    tenant = TENANT.replace('"acme"\n', '"acme"\nroute = "helpdesk"\n') + ROUTE
    gateway.apply(
        tenant.format(port=postfix.port, ca_file=postfix.ca_file, url=helpdesk.url),
        **{
            "upstream-password": "the-upstream-password",
            "submission-password": PASSWORD,
            "hook": SECRET,
        },
    )
    gateway.start()
    assert submit(gateway, "ann@example.net, ben@example.net") == 250
    assert submit(gateway, "nobody@example.net") == 250
    assert submit(gateway, "busy@example.net") == 250
    assert submit(gateway, "ann@example.net", sender="boss@acme.example") == 550
    wait_until(
        lambda: gateway.log().count("status=") >= 5,
        what=lambda: f"five tries\n{gateway.log()}",
    )
    gateway.stop()

    report = pflogsumm(gateway)
    first, bounced, deferred = sizes(gateway)["submission"]
    (notification,) = sizes(gateway)["bounce"]
    assert figure(report, "received") == 3
    assert figure(report, "delivered") == 3  # the notification is a message of its own
    assert figure(report, "deferred") == 1
    assert figure(report, "bounced") == 1
    assert figure(report, "rejected") == 1
    assert figure(report, "bytes received") == first + bounced + deferred
    assert figure(report, "bytes delivered") == 2 * first + notification
    assert figure(report, "connections") == 4
    assert section(report, "Senders by message count\n------------------------") == {
        "support@acme.example": 3
    }
    assert section(report, "Recipients by message count\n---------------------------") == {
        "ann@example.net": 1, "ben@example.net": 1, "support@acme.example": 1,
    }  # fmt: skip
    assert section(report, "Recipients by message size\n--------------------------") == {
        "ann@example.net": first, "ben@example.net": first,
        "support@acme.example": notification,
    }  # fmt: skip
    assert "from=<>, size=" in gateway.log()


def test_fail2ban_finds_who_guesses_passwords(gateway: Gateway) -> None:
    need("fail2ban-regex")
    gateway.start()
    with smtplib.SMTP("127.0.0.1", gateway.plain) as client:
        for mechanism in ("PLAIN", "LOGIN"):
            client.ehlo()
            client.user, client.password = "acme.zammad", "a guess"
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.auth(mechanism, getattr(client, f"auth_{mechanism.lower()}"))
    gateway.stop()
    log = str(gateway.home / "gateway.log")
    done = subprocess.run(
        ["fail2ban-regex", log, "postfix[mode=auth]"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"Failregex: 2 total", done.stdout), done.stdout
    assert "SASL LOGIN authentication failed: no such credential" in gateway.log()
