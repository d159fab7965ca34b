"""Real mail clients and libraries hand in real mail, over STARTTLS and over implicit TLS.

Each is a small script in `clients/`, in its own language. It trusts the authority that the
gateway made at its first start, and no other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path

import pytest
import trustme

from tests.journeys.relay import Relay, running_relay
from tests.journeys.test_out import PASSWORD
from tests.servers.need import need

pytestmark = pytest.mark.servers

SCRIPTS = Path(__file__).parent / "clients"
SUBJECT = "Grüße aus Köln: Ihre Bestellung 订单 ist da"
TEXT = "Guten Tag,\r\n.\r\n..\r\n.alles kam an.\r\nGrüße aus Köln, 您好\r\n"
ATTACHMENT = bytes(range(256)) * 40
SENDER = "support@acme.example"


@dataclass(frozen=True, slots=True)
class Client:
    """A script, what runs it, and what else it needs: programs, or files by their path."""

    script: str
    program: str
    needs: tuple[str, ...] = ()


CLIENTS = (
    Client("curl.sh", "sh", ("curl",)),
    Client("msmtp.sh", "sh", ("msmtp",)),
    Client("swaks.sh", "sh", ("swaks",)),
    Client("smtplib_client.py", sys.executable),
    Client("nodemailer.js", "node", ("/usr/share/nodejs/nodemailer",)),
    Client("phpmailer.php", "php", ("/usr/share/php/libphp-phpmailer/autoload.php",)),
    Client("symfony.php", "php", ("/usr/share/php/Symfony/Component/Mailer/autoload.php",)),
    Client("swiftmailer.php", "php", ("/usr/share/php/Swift/swift_required.php",)),
    Client("ruby_mail.rb", "ruby", ("/usr/lib/ruby/vendor_ruby/mail.rb",)),
)
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda one: one.script)


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with running_relay() as made:
        yield made


def letter(to: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = SENDER, to, SUBJECT
    message.set_content(TEXT, cte="8bit")
    message.add_attachment(
        ATTACHMENT, maintype="application", subtype="pdf", filename="invoice.pdf"
    )
    return message.as_bytes(policy=SMTP)


def send(
    client: Client, relay: Relay, home: Path, *, security: str, to: str, ca_file: str
) -> subprocess.CompletedProcess[str]:
    """Run a client; what it sent is then in `sent`."""
    need(client.program, *client.needs)
    (home / "text").write_bytes(TEXT.encode())
    (home / "attachment").write_bytes(ATTACHMENT)
    content = letter(to)
    for name in ("letter", "sent"):
        (home / name).write_bytes(content)
    files = {one.upper(): str(home / one) for one in ("text", "attachment", "letter", "sent")}
    port = relay.gateway.tls if security == "tls" else relay.gateway.starttls
    told = {"HOST": "localhost", "PORT": str(port), "SECURITY": security, "CA_FILE": ca_file}
    account = {"USERNAME": "acme.zammad", "PASSWORD": PASSWORD, "FROM": SENDER, "TO": to}
    environment = (
        os.environ
        | files
        | told
        | account
        | {"SUBJECT": SUBJECT, "NODE_PATH": "/usr/share/nodejs"}
    )
    return subprocess.run(
        [client.program, str(SCRIPTS / client.script)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def body_of(mail: bytes) -> bytes:
    return mail.partition(b"\r\n\r\n")[2]


@each_client
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_what_a_client_sends_arrives_signed_and_whole(
    client: Client, security: str, relay: Relay, tmp_path: Path
) -> None:
    to = f"{security}.{client.script}@example.net"
    done = send(client, relay, tmp_path, security=security, to=to, ca_file=relay.ca_file)
    assert done.returncode == 0, done.stdout + done.stderr
    arrived = relay.arrived(to)
    sent = (tmp_path / "sent").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    # Some put CR LF before the final dot, though their text has ended with one.
    assert body_of(arrived) in (body_of(sent), body_of(sent) + b"\r\n")
    assert relay.is_proven(arrived)
    message = message_from_bytes(arrived, policy=default)
    assert message["Subject"] == SUBJECT
    text, attachment = message.iter_parts()
    assert "Grüße aus Köln, 您好".encode() in arrived
    assert ".alles kam an." in text.get_content().splitlines()
    assert attachment.get_content() == ATTACHMENT


@each_client
def test_a_client_that_trusts_another_authority_sends_nothing(
    client: Client, relay: Relay, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    to = f"other.{client.script}@example.net"
    done = send(client, relay, tmp_path, security="tls", to=to, ca_file=str(other))
    assert done.returncode != 0
    assert "certificat" in (done.stdout + done.stderr).lower()
    assert relay.gateway.json("log", "search", to) == []
