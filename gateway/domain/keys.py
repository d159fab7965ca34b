"""The DKIM keys of a domain: RSA-2048, which every receiver knows, and Ed25519 (RFC 8463).

Both sign each message; a receiver takes the one it understands. The month in the selector
leaves room for the next pair beside this one.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import date

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

RSA_BITS = 2048  # longer ones do not fit the DNS pages of many providers
RSA_EXPONENT = 65537


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """One key pair: its selector, and the private key as PEM (PKCS#8, not encrypted)."""

    selector: str
    pem: str = field(repr=False)

    @property
    def record(self) -> str:
        """The value of its TXT record, one string (RFC 6376 §3.6.1)."""
        kind, public = _public(self.pem)
        return f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"


def make_keys(*, made_on: date) -> tuple[DkimKey, DkimKey]:
    """Return a fresh RSA and a fresh Ed25519 key pair; takes some tenths of a second."""
    month = f"{made_on:%Y%m}"
    return (
        DkimKey(
            selector=f"gw{month}-rsa", pem=_pem(generate_private_key(RSA_EXPONENT, RSA_BITS))
        ),
        DkimKey(selector=f"gw{month}-ed25519", pem=_pem(Ed25519PrivateKey.generate())),
    )


def _pem(key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(pem: str) -> tuple[str, bytes]:
    """Return the k= tag and the bytes of p=: of Ed25519 the bare key (RFC 8463 §4.2)."""
    public = load_pem_private_key(pem.encode(), None).public_key()
    if isinstance(public, Ed25519PublicKey):
        return "ed25519", public.public_bytes_raw()
    return "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
