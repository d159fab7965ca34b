from __future__ import annotations

import logging

import pytest

from gateway.events import watch


@pytest.mark.parametrize(
    ("state", "level"),
    [("ok", logging.INFO), ("suspect", logging.WARNING), ("dead", logging.WARNING)],
)
def test_only_a_sound_mailbox_is_nothing_to_look_at(
    state: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="gateway")
    watch.mailbox_state_changed(mailbox="box@163.com", state=state, reason=None, fix=None)
    assert [one.levelno for one in caplog.records] == [level]


def test_a_wave_is_a_fault_of_many_and_no_mailboxs_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch.provider_wave(provider="qq", mailboxes=7)
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "provider.wave")
