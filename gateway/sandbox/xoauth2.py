"""SASL XOAUTH2 as Google and Microsoft have it: an address and a bearer token in one string."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode

WHY = b'{"status":"400","schemes":"Bearer","scope":"mail"}'  # said before the refusal itself
SAID = re.compile(
    r"user=(?P<user>[^\x01]*)\x01auth=Bearer (?P<token>[^\x01]*)\x01\x01", re.IGNORECASE
)


def parse_xoauth2(said: bytes) -> tuple[str, str] | None:
    """Return address and access token of a client's base64, None when it is not that."""
    try:
        found = SAID.fullmatch(b64decode(said, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (found["user"], found["token"]) if found else None
