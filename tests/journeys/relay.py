"""The gateway and a real upstream behind it, both started, for journeys that only send."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.journeys.test_out import PASSWORD, apply_tenant, dkim_records
from tests.servers import mail_dkim, opendkim
from tests.servers.gateway import Gateway
from tests.servers.need import need
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix
from tests.servers.zone import Zone


@contextmanager
def running_relay(*, without: Sequence[str] = ()) -> Iterator[Relay]:
    """Start both; the upstream does not offer the extensions in `without`."""
    need("postfix", "saslpasswd2", "opendkim", root=True)
    with ExitStack() as opened:
        postfix = Postfix(without=without)
        opened.callback(postfix.close)
        postfix.add_user("relay", "the-upstream-password")
        postfix.start()
        gateway = Gateway()
        opened.callback(gateway.close)
        apply_tenant(gateway, postfix)
        gateway.start()
        zone = opened.enter_context(Zone())
        yield Relay(gateway, postfix, zone)


class Relay:
    """The tenant of `test_out`, whose credential is `acme.zammad`."""

    def __init__(self, gateway: Gateway, postfix: Postfix, zone: Zone) -> None:
        self.gateway = gateway
        self.postfix = postfix
        self._keys = dkim_records(gateway)
        self._zone = zone
        for name, value in self._keys.items():
            zone.publish(name, "TXT", value)

    @property
    def ca_file(self) -> str:
        """The authority that signed the gateway's certificate."""
        return str(self.gateway.home / "state/ca.pem")

    def submit(self, content: bytes, to: Sequence[str], *options: str) -> tuple[int, str]:
        """Hand in these bytes for these recipients; return the answer that ended it.

        `options` are parameters of MAIL.
        """
        with smtplib.SMTP("127.0.0.1", self.gateway.plain, timeout=60) as client:
            client.login("acme.zammad", PASSWORD)
            code, text = client.mail("support@acme.example", options)
            for one in to if code == 250 else ():
                code, text = client.rcpt(one)
                assert code == 250, text
            if code == 250:
                code, text = client.data(content)
        return code, text.decode()

    def arrived(self, recipient: str) -> bytes:
        """Wait for the one mail that this recipient gets; return it, line ends CRLF."""
        line = f"Delivered-To: {recipient}\n".encode()

        def found() -> list[bytes]:
            return [one for one in self.postfix.delivered() if line in one]

        wait_until(found, what=lambda: f"the mail to {recipient}\n{self.gateway.log()}")
        (mail,) = found()
        return mail.replace(b"\n", b"\r\n")

    def is_proven(self, mail: bytes) -> bool:
        """Whether OpenDKIM and Mail::DKIM find the RSA signature of an arrived mail good."""
        by_mail_dkim = mail_dkim.verify(mail, self._zone)["rsa-sha256 acme.example"]
        return by_mail_dkim == "pass" and "succeeded" in opendkim.verify(mail, keys=self._keys)
