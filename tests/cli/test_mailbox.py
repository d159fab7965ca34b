from __future__ import annotations

from datetime import UTC, date, datetime

from gateway.cli.mailbox import row_of
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant import Mailbox
from gateway.providers.catalogue import load_catalogue
from gateway.store.lanes import pause_lane, resume_lane
from gateway.store.states import MailboxState, save_mailbox_state
from tests.cli.running import TENANT, Cli
from tests.cli.test_status import console

MAILBOX = '[mailboxes."shop@163.com"]\nprovider = "netease-163"\npassword_file = "code"\n'
KEYS = [
    "address", "tenant", "provider", "state", "answers", "paused", "expires_on",
    "last_fetched_at", "reason", "fix",
]  # fmt: skip


def test_mailboxes_are_listed_in_the_shape_others_rely_on(cli: Cli) -> None:
    cli.write("code", "ABCDEF\n")
    cli.apply(TENANT + MAILBOX)
    [untried] = cli.json("mailbox", "list")
    assert list(untried) == KEYS
    assert untried["state"] == "suspect"
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    state = MailboxState(address="shop@163.com", state="ok", since=noon, last_fetched_at=noon)
    cli.write_store(save_mailbox_state, state)
    [row] = cli.json("mailbox", "list", "--tenant", "acme")
    assert (row["state"], row["answers"], row["paused"], row["reason"]) == (
        "ok", False, False, None,
    )  # fmt: skip
    assert row["last_fetched_at"] == "2026-11-24T12:00:00.000Z"
    assert "shop@163.com" in cli.say("mailbox", "list")


def test_what_keeps_a_mailbox_from_being_tried_is_named(cli: Cli) -> None:
    cli.write("code", "ABCDEF\n")
    cli.apply(TENANT + MAILBOX)
    assert cli.json("mailbox", "list")[0]["fix"] == "gateway serve"
    with console() as port:
        settings = f'[server]\nstate="state"\n[console]\naddress="127.0.0.1:{port}"'
        cli.write("gateway.conf", settings)
        assert cli.json("mailbox", "list")[0]["fix"] == "gateway policy check"


def test_a_mailbox_that_is_read_and_cannot_send_is_not_well(cli: Cli) -> None:
    cli.write("code", "ABCDEF\n")
    cli.apply(TENANT + MAILBOX)
    long_ago = datetime(2026, 11, 24, 12, tzinfo=UTC)
    state = MailboxState(address="shop@163.com", state="ok", since=long_ago)
    cli.write_store(save_mailbox_state, state)
    lane = Lane("acme", LaneKind.UPSTREAM, "shop@163.com")
    now = datetime.now(UTC)
    for since, until, health in ((now, now, "suspect"), (long_ago, None, "dead")):
        cli.write_store(resume_lane, lane, now=since)
        cli.write_store(
            pause_lane, lane, by="sign-in", reason="It is off.", fix="Switch it on.",
            until=until, now=since,
        )  # fmt: skip
        [row] = cli.json("mailbox", "list")
        assert (row["state"], row["fix"]) == (health, "Switch it on.")
        assert row["reason"] == "Sending is refused: It is off."


def test_a_code_with_a_known_life_has_its_last_day() -> None:
    """The authorization codes of that provider live for 180 days."""
    provider = load_catalogue()["netease-163"]
    mailbox = Mailbox(
        address="a@163.com", provider="netease-163", issued=date(2026, 11, 1), answers=True
    )
    row = row_of("acme", mailbox, None, provider=provider)
    assert row["expires_on"] == date(2027, 4, 30)
    without = Mailbox(address="a@163.com", provider="netease-163")
    assert row_of("acme", without, None, provider=provider)["expires_on"] is None


def test_a_person_switches_pauses_and_removes_a_mailbox(cli: Cli) -> None:
    cli.write("code", "ABCDEF\n")
    cli.apply(TENANT + MAILBOX)
    assert cli.json("mailbox", "answers", "shop@163.com", "off")["answers"] is False
    assert cli.json("mailbox", "answers", "on", "shop@163.com")["answers"] is True
    assert cli.json("mailbox", "pause", "Shop@163.com")["paused"] is True
    [row] = cli.json("mailbox", "list")
    assert (row["answers"], row["paused"]) == (True, True)
    assert "watched again, 0 deliveries due now" in cli.say("mailbox", "resume", "shop@163.com")
    assert cli.json("mailbox", "list")[0]["paused"] is False
    assert "did you mean 'shop@163.com'" in cli.refused("mailbox", "pause", "shp@163.com")
    assert cli.json("mailbox", "replay", "shop@163.com") == {"replayed": []}
    assert "is set aside" in cli.refused("mailbox", "replay", "01M8756NHBP3DFJ1QV")
    assert "--yes agrees" in cli.refused("mailbox", "delete", "shop@163.com")
    assert "removed" in cli.say("mailbox", "delete", "shop@163.com", "--yes")
    assert cli.json("mailbox", "list") == []
