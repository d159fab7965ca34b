"""TLS: the certificate of the listeners, the contexts of both sides, and a first CA of our own.

TLS 1.2 is the oldest version (RFC 8996); TLS 1.3 tickets are on, so a client that returns
pays for the key exchange once.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import os
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway import events
from gateway.config import ConfigError

CA_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where a certificate with its chain, and its key, lie."""

    path: Path
    key: Path


class ServerTls:
    """The listeners' one context; files that changed are read again before a new session."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate = certificate
        self._seen = _stamps(certificate)
        self.context = _server_context(certificate)

    def refresh(self) -> None:
        """Read the files again if they changed; sessions that are open keep what they have.

        Files that cannot be used, such as half of a renewal, leave the old certificate in
        place and are reported once.
        """
        stamps = _stamps(self._certificate)
        if stamps == self._seen:
            return
        self._seen = stamps
        try:
            _server_context(self._certificate)  # a pair that does not fit would spoil ours
            until = expiry(self._certificate.path)
            self.context.load_cert_chain(self._certificate.path, self._certificate.key)
        except (ConfigError, OSError) as error:
            events.certificate_not_read(path=str(self._certificate.path), error=error)
        else:
            events.certificate_read(path=str(self._certificate.path), expires_at=until)


def abort(transport: asyncio.BaseTransport) -> None:
    """Drop a connection at once; one that is closed twice over is left as it is.

    Of such a TLS transport Python before 3.11.3 raises AttributeError.
    """
    with suppress(AttributeError):
        cast(asyncio.WriteTransport, transport).abort()


def client_context(ca_files: Sequence[Path] = ()) -> ssl.SSLContext:
    """Return a verifying context that trusts the system's CAs and those in `ca_files`.

    Raises ConfigError naming the file that cannot be used.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for path in ca_files:
        try:
            context.load_verify_locations(path)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be used as a CA: {_why(error)}") from error
    return context


def shared_context(ca_files: tuple[str, ...]) -> ssl.SSLContext:
    """Return a verifying context that also trusts `ca_files`; raises ConfigError.

    One serves many: a context with the system's authorities costs a megabyte and 10 ms.
    """
    return _shared(ca_files, tuple(map(changed_at_ns, ca_files)))


def changed_at_ns(ca_file: str) -> int:
    """Return when a file was last changed: a renewed one is read again; raises ConfigError."""
    try:
        return Path(ca_file).stat().st_mtime_ns
    except OSError as error:
        raise ConfigError(
            f"{ca_file}: cannot be used as a CA: {_why(error).lower()}"
        ) from error


def expiry(path: Path) -> datetime:
    """Return when the first certificate in a PEM file ends; raises ConfigError."""
    return _read(path).not_valid_after_utc


def own_certificate(state: Path, hostname: str, *, now: datetime) -> Certificate:
    """Return a certificate for `hostname`, localhost and 127.0.0.1, signed by our own CA.

    Both are made in the directory `state` where they are missing; the certificate is made
    anew 30 days before its end and for another hostname. `ca.pem` is what clients trust.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Certificate(state / "ca.pem", state / "ca.key")
    certificate = Certificate(state / "certificate.pem", state / "certificate.key")
    if not _is_good(authority, "", now):
        _make_authority(authority, now)
    elif _is_good(certificate, hostname, now):
        return certificate
    _make_certificate(certificate, authority, hostname=hostname, now=now)
    return certificate


@functools.lru_cache(maxsize=64)
def _shared(ca_files: tuple[str, ...], changed_at: tuple[int, ...]) -> ssl.SSLContext:
    del changed_at  # in the key of the cache
    return client_context([Path(one) for one in ca_files])


def _server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate.path, certificate.key)
    except OSError as error:
        where = f"{certificate.path}, {certificate.key}"
        raise ConfigError(f"{where}: not a certificate and its key: {_why(error)}") from error
    return context


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {_why(error)}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: holds no certificate in PEM form") from error


def _stamps(certificate: Certificate) -> tuple[tuple[int, int, int], ...]:
    return tuple(_stamp(path) for path in (certificate.path, certificate.key))


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:  # between the old file and the new
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_ino, found.st_size)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it cannot be read").replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _is_good(certificate: Certificate, hostname: str, now: datetime) -> bool:
    if not (certificate.path.exists() and certificate.key.exists()):
        return False
    found = _read(certificate.path)
    names: list[str] = [""]
    if hostname:
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = alternatives.value.get_values_for_type(x509.DNSName)
    return hostname in names and found.not_valid_after_utc - RENEW_BEFORE > now


def _make_authority(authority: Certificate, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Mail gateway local CA")
    made = (
        _builder(name, key.public_key(), now=now, life=CA_LIFE)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(authority.key, _pem(key), mode=0o600)
    _write(authority.path, made.public_bytes(Encoding.PEM), mode=0o644)


def _make_certificate(
    certificate: Certificate, authority: Certificate, *, hostname: str, now: datetime
) -> None:
    issuer = _read(authority.path)
    issuer_key = load_pem_private_key(authority.key.read_bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - we made it
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(_name(hostname), key.public_key(), now=now, life=CERTIFICATE_LIFE)
        .issuer_name(issuer.subject)
        .add_extension(_alternative_names(hostname), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    _write(certificate.key, _pem(key), mode=0o600)
    chain = made.public_bytes(Encoding.PEM) + issuer.public_bytes(Encoding.PEM)
    _write(certificate.path, chain, mode=0o644)


def _builder(
    name: x509.Name, key: ec.EllipticCurvePublicKey, *, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(hours=1))  # clocks differ
        .not_valid_after(now.astimezone(UTC) + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _alternative_names(hostname: str) -> x509.SubjectAlternativeName:
    names = dict.fromkeys([hostname, "localhost"])
    loopback = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    return x509.SubjectAlternativeName(
        [*(x509.DNSName(name) for name in names), *(x509.IPAddress(one) for one in loopback)]
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Write atomically; the file never exists with a wider mode than `mode`."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
