"""The server of [alerts]: a way out of its own, never a tenant's upstream."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.config import ConfigError, Settings
from gateway.delivery.probe import Letter, Step, probe
from gateway.delivery.upstream import Account
from gateway.mail.address import parse_address
from gateway.mail.schema import parse_secret
from gateway.mail.trouble import Alert
from gateway.net.smtp import Endpoint, Login, TlsPolicy
from gateway.providers.catalogue import Provider


class AlertPath:
    """Sends one alert at a time, step by step."""

    def __init__(self, settings: Settings, catalogue: Mapping[str, Provider]) -> None:
        self._settings = settings
        self._catalogue = catalogue

    async def send(self, alert: Alert) -> list[Step]:
        """Send it; return the steps, of which the last one says whether it was taken.

        Raises ConfigError when [alerts] names no server or a file that cannot be read.
        """
        return await probe(
            self._account(),
            self._catalogue,
            return_path=parse_address(self._settings.alerts.sender or ""),
            local_name=self._settings.server.hostname,
            letter=Letter(parse_address(alert.recipient), alert.content),
        )

    def _account(self) -> Account:
        alerts = self._settings.alerts
        if alerts.host is None:
            raise ConfigError("[alerts] host is left out: there is no server to send by")
        trusted = alerts.ca_file or self._settings.delivery.trusted_ca
        return Account(
            endpoint=Endpoint(host=alerts.host, port=alerts.port, security=alerts.protection),
            credentials=self._login(),
            provider=self._catalogue["generic"],
            tls=TlsPolicy(ca_file=self._settings.resolve(trusted) if trusted else None),
            dkim_profile="none",
        )

    def _login(self) -> Login | None:
        """Read the password at each try: a changed file is used at once."""
        alerts = self._settings.alerts
        if alerts.username is None or alerts.password_file is None:
            return None
        path = self._settings.resolve(alerts.password_file)
        try:
            secret = parse_secret(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            sentence = f"[alerts] password_file: {path} cannot be read"
            raise ConfigError(sentence) from error
        return Login(username=alerts.username, secret=secret)
