"""Machines that answer each other come to rest: one automatic answer to each, at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.config import AnswerSettings
from tests.actions.simulator import (
    BouncingMta,
    GatewayPeer,
    Letter,
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
            taken = sum(one.recipient == gateway.address for one in self.world.carried)
            assert len(gateway.answers) + len(gateway.reasons) == taken
            assert all(gateway.reasons)


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


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[GatewayPeer]:
    """A gateway that answers every mail it may, and has another tenant with B beside."""
    made = GatewayPeer(A, VACATION, directory=tmp_path, null_return_path=True, beside=(B,))
    yield made
    made.close()


def test_two_tenants_of_one_gateway_do_not_answer_each_other(answering: GatewayPeer) -> None:
    World({A: answering}).run(write(B, A), write(B.upper(), A))
    assert answering.answers == []
    assert answering.reasons == ["the sender is an address of ours"] * 2


VISITOR, FORM, WEB = "visitor@example.org", "form@web.example", "www-data@web.example"
UNPROVEN = "sender not verified: neither SPF nor DKIM passed in line with From"


@pytest.mark.parametrize(
    ("letter", "answered", "reason"),
    [
        pytest.param(
            replace(write(VISITOR, A), is_author_proven=False, is_sender_proven=False),
            [], UNPROVEN, id="a forged sender",
        ),
        pytest.param(
            replace(write(VISITOR, A), sender=WEB, is_author_proven=False),
            [], UNPROVEN, id="a contact form that writes as the visitor",
        ),
        pytest.param(
            write(FORM, A, head=f"Reply-To: {VISITOR}\r\n"),
            [FORM], None, id="a contact form that writes as itself",
        ),
        pytest.param(
            replace(write(VISITOR, A), sender="bounce-1@esp.example", is_sender_proven=False),
            [], "the sender is an automatic address (bounce-1)", id="a bounce path",
        ),
        pytest.param(
            replace(write(VISITOR, A), sender="x1@esp.example", is_sender_proven=False),
            [], "the address to answer is not the one that was proven", id="an unproven path",
        ),
        pytest.param(
            replace(write(VISITOR, A), sender="x1@esp.example"),
            ["x1@esp.example"], None, id="a proven path",
        ),
    ],
)  # fmt: skip
def test_the_proven_address_alone_is_answered(
    answering: GatewayPeer, letter: Letter, answered: list[str], reason: str | None
) -> None:
    """Twice the same: at most one answer, and each that is kept back has its reason."""
    World({A: answering}).run(letter, letter)
    assert [one.recipient for one in answering.answers] == answered
    first = [reason] if reason else []
    again = [reason or "the sender had this answer already"]
    assert answering.reasons == [*first, *again]
