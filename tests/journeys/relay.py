"""The gateway and a real upstream behind it, both started, for journeys that only send."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from functools import cached_property

from tests.journeys.test_out import PASSWORD, apply_tenant, dkim_records
from tests.servers.gateway import Gateway
from tests.servers.need import need
from tests.servers.opendkim import verify
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix


class Relay:
    """The tenant of `test_out`, whose credential is `acme.zammad`; closed by its maker.

    The upstream does not offer the extensions in `without`.
    """

    def __init__(self, *, without: Sequence[str] = ()) -> None:
        need("postfix", "saslpasswd2", "opendkim", root=True)
        self.postfix = Postfix(without=without)
        self.postfix.add_user("relay", "the-upstream-password")
        self.postfix.start()
        self.gateway = Gateway()
        apply_tenant(self.gateway, self.postfix)
        self.gateway.start()

    @property
    def ca_file(self) -> str:
        """The authority that signed the gateway's certificate."""
        return str(self.gateway.home / "state/ca.pem")

    @cached_property
    def keys(self) -> dict[str, str]:
        """The tenant's DKIM records by their full names."""
        return dkim_records(self.gateway)

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
        """Whether OpenDKIM finds the RSA signature of an arrived mail good."""
        return "succeeded" in verify(mail, keys=self.keys)

    def close(self) -> None:
        """Stop both."""
        self.gateway.close()
        self.postfix.close()
