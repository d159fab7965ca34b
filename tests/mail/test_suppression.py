from __future__ import annotations

from dataclasses import replace
from datetime import date

from gateway.mail.suppression import Suppression, SuppressionReason


def test_an_entry_holds_until_its_last_day() -> None:
    ends = Suppression(
        tenant="acme", address="ann@example.org", reason=SuppressionReason.BY_HAND,
        evidence="", expires_on=date(2026, 11, 26),
    )  # fmt: skip
    assert ends.is_in_force(date(2026, 11, 25))
    assert not ends.is_in_force(date(2026, 11, 26))
    assert replace(ends, expires_on=None).is_in_force(date(2099, 1, 1))


def test_the_command_that_lifts_it_can_be_pasted_into_a_shell() -> None:
    entry = Suppression(
        tenant="acme",
        address="o'hara@example.net",
        reason=SuppressionReason.BY_HAND,
        evidence="",
    )
    assert entry.remove_command == (
        """gateway suppression remove acme 'o'"'"'hara@example.net'"""
    )
