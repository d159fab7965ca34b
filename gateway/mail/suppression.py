"""An address that a tenant's mail is not sent to, and why."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class SuppressionReason(StrEnum):
    """Why an address is suppressed; the words of `suppression list --json`."""

    RECIPIENT_DEAD = "recipient-dead"  # its server said for good that there is no such mailbox
    COMPLAINT = "complaint"  # its owner reported mail of the tenant as unwanted
    BY_HAND = "by-hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One address of one tenant; the last day in force is the one before `expires_on`."""

    tenant: str
    address: str  # folded: `Address.key`
    reason: SuppressionReason
    evidence: str  # the remote's words and our message id, or a person's note
    expires_on: date | None = None  # in UTC; None: until somebody removes it

    def is_in_force(self, today: date) -> bool:
        """Whether it holds on `today`, in UTC."""
        return self.expires_on is None or self.expires_on > today

    @property
    def remove_command(self) -> str:
        """What a person types to let mail go to the address again."""
        return f"gateway suppression remove {self.tenant} {shlex.quote(self.address)}"
