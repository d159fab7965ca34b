from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.alerts.letter import Scribe
from gateway.alerts.path import AlertPath
from gateway.config import AlertSettings, ConfigError, Settings
from gateway.mail.tenant import Security
from gateway.net.tls import own_certificate
from gateway.providers.catalogue import load_catalogue
from gateway.sandbox.upstream import Upstream, UpstreamSettings

Run = Callable[[Awaitable[Any]], Any]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def start(directory: Path) -> Upstream:
    upstream = Upstream(
        UpstreamSettings(
            accounts={"alerts": "s3cret"},
            security=Security.STARTTLS,
            certificate=own_certificate(directory, "localhost", now=datetime.now(UTC)),
        )
    )
    await upstream.start()
    return upstream


def settings(directory: Path, port: int) -> Settings:
    (directory / "password").write_text("s3cret\n")
    alerts = AlertSettings(
        to=("it@gw.example",), sender="gateway@gw.example", host="localhost", port=port,
        security=Security.STARTTLS, username="alerts", password_file="password",
        ca_file="ca.pem",
    )  # fmt: skip
    return Settings(path=directory / "gateway.conf", alerts=alerts)


def test_an_alert_leaves_by_the_server_of_its_own(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        upstream = await start(tmp_path)
        found = settings(tmp_path, upstream.port)
        [alert] = Scribe(found.alerts, "gw.example").write_tests(now=NOON)
        steps = await AlertPath(found, load_catalogue()).send(alert)
        assert [one.name for one in steps] == [
            "name", "tcp", "tls", "ehlo", "auth", "mail", "sent"
        ]  # fmt: skip
        assert steps[-1].said.startswith("250")
        [captured] = upstream.captured
        assert str(captured.envelope.return_path) == "gateway@gw.example"
        assert alert.message_id.encode() in captured.content
        await upstream.stop()

    run(work())


def test_a_refused_password_is_a_step_with_cause_and_fix(run: Run, tmp_path: Path) -> None:
    async def work() -> None:
        upstream = await start(tmp_path)
        found = settings(tmp_path, upstream.port)
        (tmp_path / "password").write_text("another")
        [alert] = Scribe(found.alerts, "gw.example").write_tests(now=NOON)
        last = (await AlertPath(found, load_catalogue()).send(alert))[-1]
        assert (last.name, last.is_ok) == ("auth", False)
        assert last.cause
        assert last.fix
        assert "another" not in str(last)
        await upstream.stop()

    run(work())


def test_a_password_file_that_is_gone_is_named(run: Run, tmp_path: Path) -> None:
    found = settings(tmp_path, 1)
    (tmp_path / "password").unlink()
    [alert] = Scribe(found.alerts, "gw.example").write_tests(now=NOON)
    with pytest.raises(ConfigError, match=r"password_file: .* cannot be read"):
        run(AlertPath(found, load_catalogue()).send(alert))
    nowhere = replace(found, alerts=replace(found.alerts, host=None))
    with pytest.raises(ConfigError, match="host is left out"):
        run(AlertPath(nowhere, load_catalogue()).send(alert))
