"""README's settings for each helpdesk, read from it, and that product's own mail library.

A script in `helpdesks/` makes the library's parameters of the fields as the product does.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
import trustme

from tests.journeys.relay import Relay, running_relay
from tests.journeys.test_out import PASSWORD
from tests.servers.need import need

pytestmark = pytest.mark.servers

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SCRIPTS = Path(__file__).parent / "helpdesks"
PUBLIC_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
GEMS = "/usr/share/rubygems-integration/all/gems"
SUBJECT = "Re: Ihre Bestellung 订单"
TEXT = "Grüße aus Köln, 您好"


@dataclass(frozen=True, slots=True)
class Product:
    """A helpdesk: the script that sends as it does, and whether it looks at certificates."""

    name: str
    script: str
    program: str
    library: str
    verifies: bool = True


PRODUCTS = (
    Product("Zammad", "zammad.rb", "ruby", "/usr/lib/ruby/vendor_ruby/mail.rb"),
    Product("FreeScout", "freescout.php", "php", "/usr/share/php/Swift/autoload.php", False),
    Product("Chatwoot", "chatwoot.rb", "ruby", f"{GEMS}/actionmailer-*"),
)
each_product = pytest.mark.parametrize("product", PRODUCTS, ids=lambda one: one.name)


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    with running_relay() as made:
        yield made


def settings_of(product: str) -> dict[str, str]:
    """Return the settings that README gives for a product, by their names there."""
    block = re.search(rf"<!-- settings of: {product} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert block is not None
    found = {}
    for line in block[1].splitlines():
        if "=" in line:
            name, _, value = line.partition("=")
            found[name] = "".join(shlex.split(value))
        else:
            name, value = re.split(r" {2,}", line, maxsplit=1)
            found[name] = value
    return found


def send(
    product: Product, relay: Relay, *, ca_file: str, to: str, same_machine: bool = False
) -> subprocess.CompletedProcess[str]:
    """Send as the product does, by README's settings with the hosts and ports of this test."""
    need(product.program, product.library)
    host, port = "localhost", relay.gateway.starttls
    if same_machine:
        host, port = "127.0.0.1", relay.gateway.plain
    local = {
        "gateway.example": host,
        "587": str(port),
        "acme.helpdesk": "acme.zammad",
        "what secrets/helpdesk holds": PASSWORD,
        "/etc/ssl/with-gateway.pem": ca_file,
    }
    if same_machine:
        local["TLS (+StartTLS)"] = "None"
    fields = {
        name: local.get(value, value) for name, value in settings_of(product.name).items()
    }
    told = {"TO": to, "SUBJECT": SUBJECT, "TEXT": TEXT, "SETTINGS": json.dumps(fields)}
    trusted = {} if same_machine else {"SSL_CERT_FILE": ca_file}
    return subprocess.run(
        [product.program, str(SCRIPTS / product.script)],
        env=os.environ | trusted | told | fields,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@each_product
@pytest.mark.parametrize("same_machine", [False, True], ids=["by-tls", "same-machine"])
def test_a_helpdesk_set_up_as_readme_says_sends_signed_mail(
    product: Product, same_machine: bool, relay: Relay, tmp_path: Path
) -> None:
    need(str(PUBLIC_AUTHORITIES))
    both = tmp_path / "with-gateway.pem"
    both.write_text(PUBLIC_AUTHORITIES.read_text() + Path(relay.ca_file).read_text())
    to = f"{product.name}-{same_machine}@example.net"
    done = send(product, relay, ca_file=str(both), to=to, same_machine=same_machine)
    assert done.returncode == 0, done.stdout + done.stderr
    arrived = relay.arrived(to)
    assert relay.is_proven(arrived)
    message = message_from_bytes(arrived, policy=default)
    assert message["Subject"] == SUBJECT
    assert message["From"].addresses[0].addr_spec == "support@acme.example"
    text = message.get_body(("plain",))
    assert text is not None
    assert text.get_content().strip() == TEXT
    by_gateway = str(message.get_all("Received", [])[-1])
    assert ("(using TLS" in by_gateway) is not same_machine


@pytest.mark.parametrize(
    "product", [one for one in PRODUCTS if one.verifies], ids=lambda one: one.name
)
def test_a_helpdesk_that_was_not_told_to_trust_our_authority_sends_nothing(
    product: Product, relay: Relay, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    to = f"{product.name}-other@example.net"
    done = send(product, relay, ca_file=str(other), to=to)
    assert done.returncode != 0
    assert "certificate verify failed" in done.stderr
    assert relay.gateway.json("log", "search", to) == []
