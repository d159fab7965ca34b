from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.ids import new_id
from gateway.mail.inbound import Authenticity
from gateway.mail.plan import Plan
from gateway.store import inbox, lanes, people, queue
from gateway.store.capturing import set_capturing
from tests.cli.running import TENANT, Cli
from tests.store.test_holds import HOLD, MAIL
from tests.store.values import LANE, NOON, outgoing, set_aside

ROUTE = '[routes.desk]\ntype = "smtp"\nhost = "desk.example"\nto = "in@desk.example"\n'
KEYS = {
    "id", "tenant", "direction", "upstream", "way", "sender", "recipients", "size_bytes",
    "accepted_at", "reason", "fix",
}  # fmt: skip


@pytest.fixture
def message(cli: Cli) -> str:
    two = outgoing("ann@example.org", "bob@example.org")
    return cli.write_store(queue.accept, two, now=datetime.now(UTC))


def test_what_waits_is_listed_in_the_shape_others_rely_on(cli: Cli, message: str) -> None:
    [entry] = cli.json("queue", "list")
    assert set(entry) == KEYS
    assert (entry["id"], entry["tenant"], entry["upstream"]) == (message, "acme", "sendgrid")
    assert entry["direction"] == "out"
    assert (entry["sender"], entry["reason"], entry["fix"]) == (
        "support@acme.example", people.ITS_TURN, people.ITS_TURN_FIX,
    )  # fmt: skip
    assert entry["accepted_at"].endswith("Z")
    assert [one["address"] for one in entry["recipients"]] == [
        "ann@example.org",
        "bob@example.org",
    ]
    first = entry["recipients"][0]
    assert set(first) == {"address", "state", "attempts", "last_reply", "next_attempt_at"}
    assert (first["state"], first["attempts"], first["last_reply"]) == ("queued", 0, None)


def test_a_person_sees_one_line_a_message(cli: Cli, message: str) -> None:
    listed = cli.say("queue", "list")
    assert f"next: gateway queue show {message}" in listed
    [line] = [one for one in listed.splitlines() if one.startswith(message)]
    assert "ann@example.org and 1 more" in line
    assert "queued" in line


def test_a_message_is_held_released_and_deleted(cli: Cli, message: str) -> None:
    assert cli.json("queue", "hold", message, "--reason", "is this spam?") == {
        "id": message,
        "action": "held",
        "recipients": 2,
    }
    held = cli.json("queue", "show", "one@acme.example")  # by its Message-ID
    assert held["reason"] == "is this spam?"
    assert held["fix"] == f"gateway queue release {message}"
    assert cli.json("queue", "list", "--state", "queued") == []
    assert "its recipients are held" in cli.refused("queue", "retry", message)
    assert "released (2 recipients)" in cli.say("queue", "release", message)
    assert "its recipients are queued" in cli.refused("queue", "release", message)
    assert "cancelled" in cli.say("queue", "delete", message)
    assert "nothing waits" in cli.say("queue", "list")
    [gone] = cli.json("queue", "list", "--state", "cancelled")
    assert gone["recipients"][0]["next_attempt_at"] is None


def test_who_is_being_sent_a_message_is_told_when_the_rest_is_deleted(
    cli: Cli, message: str
) -> None:
    """Else a person takes the whole of it for cancelled."""
    cli.write_store(
        queue.claim, LANE, owner="node", now=datetime.now(UTC), lease=timedelta(minutes=5),
        messages=1, recipients=1,
    )  # fmt: skip
    done = cli.run("queue", "delete", message)
    assert "cancelled (1 recipient)" in done.stdout
    assert "it is being sent to ann@example.org" in done.stderr
    assert f"gateway queue delete {message} again" in done.stderr


def test_who_wants_a_try_is_told_that_the_way_out_is_paused(cli: Cli, message: str) -> None:
    assert "it still waits" not in cli.say("queue", "retry", message)
    now = datetime.now(UTC)
    cli.write_store(lanes.pause_lane, LANE, by="sign-in", reason="535 no", fix=None, now=now)
    said = cli.say("queue", "retry", message)
    assert f"{message}: it still waits: 535 no" in said
    assert f"{message}: due now (2 recipients)" in said


def test_a_message_is_given_up_and_its_sender_is_told_by_the_route(cli: Cli) -> None:
    cli.apply(TENANT.replace("name =", 'route = "desk"\nname =', 1) + ROUTE)
    id_ = cli.write_store(queue.accept, outgoing(), now=datetime.now(UTC))
    given_up = cli.json("queue", "bounce", "one@acme.example")
    assert (given_up["id"], given_up["action"], given_up["recipients"]) == (id_, "bounced", 1)
    assert [one["id"] for one in cli.json("queue", "list")] == [given_up["notification"]]
    shown = cli.json("queue", "show", given_up["notification"])
    assert (shown["way"], shown["recipients"][0]["address"]) == (
        "route desk",
        "in@desk.example",
    )
    told = cli.write_store(queue.content_of, given_up["notification"])
    assert told is not None
    assert b"In-Reply-To: <one@acme.example>" in told
    assert b"Action: failed\r\nStatus: 5.4.7\r\n" in told
    assert b"somebody who looks after the mail gave up on it" in told
    assert b"until the time for it was over" not in told
    assert "its recipients are failed" in cli.refused("queue", "bounce", id_)


def test_without_a_route_a_message_is_given_up_in_silence(cli: Cli, message: str) -> None:
    cli.apply()
    said = cli.say("queue", "bounce", message)
    assert "given up (2 recipients); its sender is not told" in said


def hold_fetched(cli: Cli) -> str:
    id_ = new_id()
    hold = replace(HOLD, arguments={"seconds": 3600, "then": "reject"})
    cli.write_store(inbox.store_fetched, replace(MAIL, id=id_), now=NOON)
    plan = Plan(effects=(hold,), version="v1")
    cli.write_store(inbox.store_plan, id_, Authenticity(), plan, now=NOON)
    number = cli.write_store(inbox.effects, id_)[0].number
    cli.write_store(
        inbox.finish_effect, id_, number, event="effect.held", detail={}, state="held",
        now=NOON,
    )  # fmt: skip
    cli.write_store(inbox.finish, id_, "held", rule="30.sieve:4 look", now=NOON)
    return id_


def test_fetched_mail_that_is_held_is_listed_shown_and_deleted(cli: Cli, message: str) -> None:
    id_ = hold_fetched(cli)
    assert len(cli.json("queue", "list")) == 2
    [entry] = cli.json("queue", "list", "--state", "held")
    assert set(entry) == KEYS
    assert (entry["id"], entry["direction"], entry["upstream"]) == (id_, "in", None)
    assert (entry["sender"], entry["way"]) == ("ann@x.example", f"mailbox {MAIL.mailbox}")
    assert entry["reason"] == "30.sieve:4 look; it is rejected at 2026-11-24 13:00:00Z"
    assert entry["fix"].startswith(f"gateway queue release {id_} ")
    [owed] = entry["recipients"]
    assert (owed["address"], owed["state"]) == (MAIL.mailbox, "held")
    assert owed["next_attempt_at"] == "2026-11-24T13:00:00.000Z"
    shown = cli.say("queue", "show", id_)
    assert "30.sieve:4 look" in shown
    [line] = [one for one in cli.say("queue", "list").splitlines() if one.startswith(id_)]
    assert line.split()[2] == "in"
    assert "cancelled (1 recipient)" in cli.say("queue", "delete", id_)
    assert [one["id"] for one in cli.json("queue", "list")] == [message]
    assert "no message" in cli.refused("queue", "show", id_)
    books = cli.json("status")["books"]["in"]
    assert (books["held"], books["discarded"], books["difference"]) == (0, 1, 0)


def test_what_a_route_did_not_take_is_released_by_the_command_that_status_prints(
    cli: Cli, message: str
) -> None:
    cli.apply()
    ids = [cli.write_store(set_aside, Lane("acme", LaneKind.ROUTE, "desk")) for _ in range(2)]
    [row] = cli.json("status")["set_aside"]
    assert (row["name"], row["messages"], row["first"]) == ("desk", 2, ids[0])
    assert "set aside: acme route desk: 2 messages: it is gone" in cli.say("status")
    assert cli.json(*row["fix"].split()[1:]) == {"ids": ids, "action": "released"}
    assert "nothing of desk of acme is set aside" in cli.refused(*row["fix"].split()[1:])


def test_a_message_that_is_not_there_is_refused(cli: Cli) -> None:
    assert "there is no message 'X'" in cli.refused("queue", "show", "X")
    assert "there is no message 'X'" in cli.refused("queue", "delete", "X")
    assert "did you mean 'held'?" in cli.refused("queue", "list", "--state", "hold")


def test_a_captured_message_says_where_it_goes_instead(cli: Cli) -> None:
    cli.write_store(set_capturing, on=True)
    for lane in (LANE, Lane(LANE.tenant, LaneKind.NONE, "")):
        cli.write_store(queue.accept, outgoing(lane=lane), now=datetime.now(UTC))
    captured, nowhere = sorted(cli.json("queue", "list"), key=lambda one: str(one["way"]))
    assert (captured["way"], captured["upstream"]) == ("capture sendgrid", "sendgrid")
    assert (nowhere["way"], nowhere["reason"]) == (
        "no upstream", "its sender has no upstream",
    )  # fmt: skip


def test_a_message_without_an_upstream_names_none(cli: Cli) -> None:
    nowhere = Lane(LANE.tenant, LaneKind.NONE, "")
    cli.write_store(queue.accept, outgoing(lane=nowhere), now=datetime.now(UTC))
    [entry] = cli.json("queue", "list")
    assert entry["upstream"] is None
    assert entry["way"] == "no upstream"
    assert entry["reason"]
