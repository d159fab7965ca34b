from __future__ import annotations

from gateway.mail.suppression import Suppression, SuppressionReason


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
