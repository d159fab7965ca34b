"""What the store raises: always one sentence with what and where."""

from __future__ import annotations

NOT_OURS = "permission denied; type it as root, or as the user that the server runs as"


class StoreError(Exception):
    """The store cannot keep or give what was asked."""


class StoreFull(StoreError):
    """There is no room for new content; what waits is safe (reply 452, RFC 5321 §4.2.3)."""


class Conflict(StoreError):
    """What was asked goes against what is there: owned by another tenant, still needed."""
