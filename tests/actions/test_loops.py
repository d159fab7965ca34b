"""Machines that answer each other come to rest: one automatic answer to each, at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config import AnswerSettings
from tests.actions.simulator import (
    BouncingMta,
    GatewayPeer,
    MailingList,
    Robot,
    World,
    write,
)

A, B = "support@a.example", "help@b.example"
ROBOT, LIST, NOBODY = "away@robot.example", "all@list.example", "nobody@mta.example"
VACATION = 'vacation :days 1 :handle "received" "We have your message.";'
REJECT = 'reject "We take no mail.";'


@dataclass
class Stage:
    """Two gateways and the rest of the world."""

    first: GatewayPeer
    second: GatewayPeer
    world: World

    most: int = 1

    def assert_few_answers(self) -> None:
        for gateway in (self.first, self.second):
            to = Counter(one.recipient for one in gateway.answers)
            assert max(to.values(), default=0) <= self.most, to


@pytest.fixture(params=["null", "own"])
def null_return_path(request: pytest.FixtureRequest) -> bool:
    """Some providers refuse an empty envelope sender: answers then have the mailbox's own."""
    return bool(request.param == "null")


@pytest.fixture(params=["rude", "polite"])
def rude(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "rude")


@pytest.fixture(params=[VACATION, REJECT], ids=["vacation", "reject"])
def stage(
    request: pytest.FixtureRequest, tmp_path: Path, *, null_return_path: bool, rude: bool
) -> Iterator[Stage]:
    made = [
        GatewayPeer(address, policy, directory=tmp_path, null_return_path=null_return_path)
        for address, policy in ((A, VACATION), (B, request.param))
    ]
    world = World(
        {
            A: made[0],
            B: made[1],
            ROBOT: Robot(ROBOT, polite=not rude),
            LIST: MailingList(LIST, [A, B] if rude else [A, B, ROBOT], rude=rude),
            "@mta.example": BouncingMta("mta.example", rude=rude),
        }
    )
    # Each mail is rejected for itself: one that a rude robot writes at each rejection, until
    # the ceiling of an hour.
    ceiling = AnswerSettings().per_sender_per_hour
    yield Stage(made[0], made[1], world, ceiling if rude and request.param == REJECT else 1)
    for one in made:
        one.close()


@pytest.mark.parametrize("start", [B, ROBOT, NOBODY, LIST])
def test_a_mail_that_claims_any_sender_comes_to_rest(stage: Stage, start: str) -> None:
    stage.world.run(write(start, A), write(start, B))
    stage.assert_few_answers()


def test_everybody_at_once_comes_to_rest(stage: Stage) -> None:
    everybody = [A, B, ROBOT, LIST, NOBODY]
    ours = [(one, other) for one in everybody for other in everybody if {one, other} & {A, B}]
    letters = [write(one, other) for one, other in ours if one != other]
    stage.world.run(*letters)
    stage.assert_few_answers()
    assert stage.world.carried


def test_a_customer_is_answered_once(stage: Stage) -> None:
    customer = "ann@customer.example"
    stage.world.run(write(customer, A), write(customer, A), write(customer, A))
    assert [one.recipient for one in stage.first.answers] == [customer]
