from __future__ import annotations

from gateway.providers.catalogue import load_catalogue
from gateway.providers.causes import CAUSES, Turn


def test_every_cause_and_fix_of_a_preset_is_a_known_cause() -> None:
    for provider in load_catalogue().values():
        causes = {row.cause for row in provider.errors} | provider.fixes.keys()
        assert causes <= CAUSES.keys(), provider.id


def test_whoever_has_to_do_something_is_told_what() -> None:
    theirs = (Turn.CREDENTIALS, Turn.SETTINGS, Turn.SENDER, Turn.STOP_SENDING)
    assert [name for name, one in CAUSES.items() if one.turn in theirs and not one.fix] == []
