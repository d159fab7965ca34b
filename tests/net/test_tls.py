"""Certificates: made on the first start, read again when they change."""

from __future__ import annotations

import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from gateway.config import ConfigError
from gateway.net.tls import Certificate, ServerTls, client_context, expiry, own_certificate

NOW = datetime.now(UTC)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """Shake hands in memory; return the certificate that the client saw."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(ends[0].getpeercert() or {})


@pytest.mark.parametrize("name", ["gateway.example", "localhost", "127.0.0.1"])
def test_the_first_start_makes_a_certificate_that_clients_can_trust(
    tmp_path: Path, name: str
) -> None:
    made = own_certificate(tmp_path / "state", "gateway.example", now=NOW)
    client = client_context([tmp_path / "state" / "ca.pem"])
    assert handshake(ServerTls(made).context, client, name)["serialNumber"]
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ServerTls(made).context, client, "other.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(ServerTls(made).context, client_context(), name)


def test_keys_are_for_us_alone(tmp_path: Path) -> None:
    own_certificate(tmp_path, "gateway.example", now=NOW)
    modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    assert modes == {
        "ca.pem": 0o644, "ca.key": 0o600, "certificate.pem": 0o644, "certificate.key": 0o600,
    }  # fmt: skip


def test_a_good_certificate_is_kept_and_an_old_or_wrong_one_replaced(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, "gateway.example", now=NOW).path.read_bytes()
    authority = (tmp_path / "ca.pem").read_bytes()
    assert own_certificate(tmp_path, "gateway.example", now=NOW).path.read_bytes() == first
    late = NOW + timedelta(days=370)
    second = own_certificate(tmp_path, "gateway.example", now=late)
    assert second.path.read_bytes() != first
    assert expiry(second.path) > late + timedelta(days=300)
    third = own_certificate(tmp_path, "other.example", now=NOW)
    assert handshake(
        ServerTls(third).context, client_context([tmp_path / "ca.pem"]), "localhost"
    )
    assert (tmp_path / "ca.pem").read_bytes() == authority


def test_expiry_is_that_of_the_file(tmp_path: Path) -> None:
    until = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    issued = trustme.CA().issue_cert("gateway.example", not_after=until)
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    assert expiry(tmp_path / "cert.pem") == until
    with pytest.raises(ConfigError, match=r"none\.pem"):
        expiry(tmp_path / "none.pem")


def test_a_changed_file_is_used_for_new_sessions(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, "gateway.example", now=NOW)
    server, client = ServerTls(made), client_context([tmp_path / "ca.pem"])
    before = handshake(server.context, client, "localhost")["serialNumber"]
    server.refresh()
    assert handshake(server.context, client, "localhost")["serialNumber"] == before
    own_certificate(tmp_path, "other.example", now=NOW)
    server.refresh()
    assert handshake(server.context, client, "localhost")["serialNumber"] != before


def test_half_a_renewal_leaves_the_old_certificate_in_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = own_certificate(tmp_path, "gateway.example", now=NOW)
    server, client = ServerTls(made), client_context([tmp_path / "ca.pem"])
    before = handshake(server.context, client, "localhost")["serialNumber"]
    renewed = tmp_path / "renewed"
    renewed.mkdir()
    for name in ("ca.pem", "ca.key"):
        shutil.copy(tmp_path / name, renewed)
    fresh = own_certificate(renewed, "gateway.example", now=NOW)
    fresh.key.replace(made.key)
    server.refresh()
    server.refresh()
    assert [vars(one)["event"] for one in caplog.records] == ["tls.certificate_not_read"]
    assert handshake(server.context, client, "localhost")["serialNumber"] == before
    fresh.path.replace(made.path)
    server.refresh()
    assert handshake(server.context, client, "localhost")["serialNumber"] != before


@pytest.mark.parametrize("content", [b"", b"not a certificate"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.pem"):
        ServerTls(Certificate(path, path))
    with pytest.raises(ConfigError, match=r"broken\.pem"):
        client_context([path])
    with pytest.raises(ConfigError, match=r"broken\.pem"):
        expiry(path)


def test_tls_1_2_is_the_oldest(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, "gateway.example", now=NOW)
    oldest = ssl.TLSVersion.TLSv1_2
    assert ServerTls(made).context.minimum_version is oldest
    assert client_context().minimum_version is oldest
