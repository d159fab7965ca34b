from __future__ import annotations

from datetime import UTC, datetime

from gateway.mail.delivery import Lane, LaneKind
from gateway.store import queue
from gateway.store.lanes import pause_lane, set_rest
from tests.cli.running import Cli
from tests.store.values import outgoing


def test_a_paused_upstream_says_why_and_resumes(cli: Cli) -> None:
    cli.apply()
    from_own = outgoing(lane=Lane("acme", LaneKind.UPSTREAM, "own"))
    cli.write_store(queue.accept, from_own, now=datetime.now(UTC))
    cli.say("upstream", "pause", "acme", "own", "--reason", "they move house")
    [row] = cli.json("upstream", "list")
    assert (row["state"], row["paused_by"], row["reason"]) == (
        "paused", "person", "they move house",
    )  # fmt: skip
    [waiting] = cli.json("queue", "list")
    assert (waiting["reason"], waiting["fix"]) == (
        "they move house", "gateway upstream resume acme own",
    )  # fmt: skip
    assert "1 delivery due now" in cli.say("upstream", "resume", "acme", "own")
    assert cli.json("upstream", "list")[0]["state"] == "open"


def test_a_quota_is_over_at_its_time_and_a_refused_sign_in_is_not(cli: Cli) -> None:
    cli.apply()
    lane, now = Lane("acme", LaneKind.UPSTREAM, "own"), datetime.now(UTC)
    seen = {}
    for by in ("quota", "sign-in"):
        cli.write_store(pause_lane, lane, by=by, reason="x", fix=None, until=now, now=now)
        [row], status = cli.json("upstream", "list"), cli.json("status")
        seen[by] = (row["state"], row["paused_by"], len(status["paused"]))
    assert seen == {"quota": ("open", None, 0), "sign-in": ("paused", "sign-in", 1)}


def test_an_open_upstream_that_was_not_reached_says_why(cli: Cli) -> None:
    cli.apply()
    lane = Lane("acme", LaneKind.UPSTREAM, "own")
    cli.write_store(set_rest, lane, reason="it does not answer", fix=None)
    [row] = cli.json("upstream", "list")
    assert (row["state"], row["reason"], row["fix"]) == (
        "open", "it does not answer", "gateway upstream test acme own",
    )  # fmt: skip


def test_an_upstream_that_is_not_there_is_refused_with_the_nearest(cli: Cli) -> None:
    cli.apply()
    assert "did you mean 'own'?" in cli.refused("upstream", "pause", "acme", "owm")
