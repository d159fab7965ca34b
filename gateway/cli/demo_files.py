"""What the demo is made of: its configuration, its tenant, its customers and their DNS."""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from pathlib import Path

from gateway.authenticity.dkim import Signer, sign
from gateway.cli import shipped
from gateway.cli.domain import load_keys
from gateway.cli.opening import opened
from gateway.domain.keys import make_keys
from gateway.domain.records import domain_records
from gateway.sandbox.dns import Zone
from gateway.sandbox.world import World

SUPPORT = "support@shop.example"
ANN = "ann@customer.example"
BOB = "bob@customer.example"
CAROL = "carol@customer.example"
OWNER = "it@shop.example"  # who is asked for a new code
ALERTS = "alerts"  # the login of the path that tells of troubles
LOGIN = "shop.helpdesk"
PASSWORD = secrets.token_hex(32)
ALERTS_KEY = secrets.token_urlsafe(16)
MAILBOX_CODE = secrets.token_urlsafe(12)
NEW_CODE = secrets.token_urlsafe(12)
HOOK_SECRET = "whsec_" + "ZGVtbyBzZWNyZXQgb2YgdGhlIGhlbHBkZXNr"

CONFIGURATION = """\
[server]
hostname = "gateway.example"
state = "state"
workers = 1
[storage]
keep_free = 0
[[submission.listeners]]
address = "127.0.0.1:{plain}"
security = "none"
[[submission.listeners]]
address = "127.0.0.1:{starttls}"
security = "starttls"
[console]
address = "127.0.0.1:{web}"
public_url = "http://127.0.0.1:{web}"
[dns]
nameservers = ["127.0.0.1:{dns}"]
[routes]
private_networks = ["127.0.0.0/8"]
[mailboxes]                       # a demo has no ten minutes
dead_after = "1s"
login_waits = ["1s"]
[alerts]
to = ["postmaster@gateway.example"]
from = "gateway@gateway.example"
host = "127.0.0.1"
port = {smtp}
username = "{alerts}"
password_file = "alerts-key"
"""

TENANT = """\
tenant = "shop"
name = "The Shop"
owner = "{owner}"
route = "helpdesk"
[domains."shop.example"]
[senders."support@shop.example"]
name = "Shop Support"
upstream = "sandbox"
[upstreams.sandbox]
mailbox = "support@shop.example"  # it sends by the mailbox's own account: one code for both
host = "127.0.0.1"
port = {smtp}
security = "none"
[mailboxes."support@shop.example"]
host = "127.0.0.1"
port = {imap}
security = "none"
password_file = "mailbox-code"
answers = true
upstream = "sandbox"
[routes.helpdesk]
type = "webhook"
url = "{hook}"
secret_file = "hook-secret"
[credentials.helpdesk]
password_file = "helpdesk-password"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the demo's gateway listens."""

    plain: int
    starttls: int
    web: int

    @classmethod
    @contextmanager
    def reserve(cls) -> Iterator[Ports]:
        """Yield the usual ports where they are free, others where not.

        They are taken meanwhile, so that two demos that start at once get different ones.
        """
        with _listen(2525) as plain, _listen(2587) as starttls, _listen(8080) as web:
            plain_at, starttls_at, web_at = (
                one.getsockname()[1] for one in (plain, starttls, web)
            )
            yield cls(plain=plain_at, starttls=starttls_at, web=web_at)


def write(home: Path, world: World, ports: Ports) -> Path:
    """Write everything below `home`; return the configuration's path."""
    policies = home / "policies"
    shutil.copytree(shipped.policies(), policies)
    received = policies / "inbound/50-received.sieve"
    received.with_name("50-received.sieve.off").rename(received)
    (home / "alerts-key").write_text(ALERTS_KEY)
    (home / "mailbox-code").write_text(MAILBOX_CODE)
    (home / "hook-secret").write_text(HOOK_SECRET)
    (home / "helpdesk-password").write_text(PASSWORD)
    (home / "shop.toml").write_text(
        TENANT.format(
            owner=OWNER,
            smtp=world.upstream.port,
            imap=world.mailboxes.port,
            hook=world.helpdesk.url,
        )
    )
    config = home / "gateway.conf"
    config.write_text(
        CONFIGURATION.format(
            plain=ports.plain,
            starttls=ports.starttls,
            web=ports.web,
            dns=world.zone.port,
            smtp=world.upstream.port,
            alerts=ALERTS,
        )
    )
    return config


def make_customer() -> tuple[Callable[[bytes], bytes], Zone]:
    """Return how the customers' provider signs, and what their domain publishes."""
    key, _ = make_keys(made_on=datetime.now(UTC).date())
    signer = Signer("customer.example", key.selector, pem=key.pem)

    def sign_as_customer(content: bytes) -> bytes:
        return sign(content, [signer]) + content

    zone: Zone = {
        f"{key.selector}._domainkey.customer.example": {"TXT": [key.record]},
        "_dmarc.customer.example": {"TXT": ["v=DMARC1; p=reject"]},
    }
    return sign_as_customer, zone


def shop_zone(config: Path) -> Zone:
    """Return what the shop's domain publishes: the keys that `apply` made."""
    with opened(config) as gateway:
        keys = load_keys(gateway, gateway.load_seal(), tenant="shop", domain="shop.example")
    records = domain_records("shop.example", keys, spf_terms=("ip4:127.0.0.1",))
    return {one.name: {one.type: [one.value]} for one in records}


def letter_from(customer: str, *, asks: str) -> bytes:
    """Return a customer's first mail."""
    message = EmailMessage(policy=SMTP)
    message["From"] = customer
    message["To"] = SUPPORT
    message["Subject"] = asks
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain="customer.example")
    message.set_content(f"Hello,\n\n{asks[0].lower()}{asks[1:]}\n")
    return message.as_bytes()


def _listen(wanted: int) -> socket.socket:
    with suppress(OSError):
        return socket.create_server(("127.0.0.1", wanted))
    return socket.create_server(("127.0.0.1", 0))
