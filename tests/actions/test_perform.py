"""A Plan carried out on the real store: every effect once, even after a crash."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.actions.answer import Way
from gateway.actions.feedback import Complaint
from gateway.actions.perform import Judged, Neighbours, Performer
from gateway.config import AnswerSettings
from gateway.mail.address import parse_address
from gateway.mail.delivery import Outgoing
from gateway.mail.inbound import Authenticity, Fetched
from gateway.mail.plan import Effect, EffectKind, Plan
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.mail.tenant import Hook, Tenant
from gateway.mail.trouble import Alert
from gateway.net.concurrency import spawn
from gateway.store import alerts, books, buyers, holds, inbox, journal, marks, suppressions
from gateway.store.sqlite import Db, Store
from tests.actions.occasions import ACME, NOON, PROOF, SHOP, WAY, fetched, mail, mark
from tests.actions.test_notice import PATH

KEEP = Effect(kind=EffectKind.STORE, target="INBOX", file="90.sieve", line=3)
VACATION = Effect(
    kind=EffectKind.VACATION,
    file="50.sieve",
    line=12,
    arguments={"reason": "soon", "handle": "received", "seconds": 86400},
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


@dataclass
class Scene:
    """One gateway's inbound half, with policies that say what they are told to."""

    store: Store
    effects: tuple[Effect, ...] = (VACATION, KEEP)
    tenant: Tenant = ACME
    now: datetime = NOON
    marked: tuple[marks.Mark, ...] = ()
    seen_to: list[int] = field(default_factory=list)  # of the next judgements
    judged: int = 0
    learned: list[str] = field(default_factory=list)
    fails: bool = False
    way_fails: bool = False
    complaint: Complaint | None = None
    proof: Authenticity = PROOF

    async def authenticate(self, _: Fetched) -> Authenticity:
        return self.proof

    async def judge(self, _: Fetched, authenticity: Authenticity) -> Judged:
        assert authenticity == self.proof
        self.judged += 1
        if self.fails:
            raise RuntimeError("killed")
        plan = Plan(effects=self.effects, version="v1")
        seen_to = self.seen_to.pop(0) if self.seen_to else None
        return Judged(plan=plan, marked=self.marked, seen_to=seen_to, report=self.complaint)

    def way_for(self, *_: object) -> Way:
        if self.way_fails:
            raise RuntimeError("killed")
        return WAY

    def learn(self, _: Db, outgoing: Outgoing, __: datetime) -> None:
        self.learned.append(outgoing.message_id)

    def perform(self, id_: str) -> str | None:
        return asyncio.run(self.performer().perform(id_))

    def performer(self) -> Performer:
        near = Neighbours(
            tenants=lambda: {"acme": self.tenant},
            authenticate=self.authenticate,
            judge=self.judge,
            way_for=self.way_for,
            mark=mark,
            learn=self.learn,
            find_ours=lambda *_: None,
            now=lambda: self.now,
        )
        return Performer(self.store, near, answers=AnswerSettings(), notices=PATH)

    def receive(self, number: int = 1, content: bytes | None = None) -> str:
        id_ = f"01ARZ3NDEKTSV4RR{number:02}"
        one = fetched(content, id=id_, uid=number, internal_date=self.now)
        self.store.write_now(inbox.store_fetched, one, now=self.now)
        return id_

    def states(self, id_: str) -> list[tuple[str, str]]:
        stored = self.store.read_now(inbox.effects, id_)
        return [(one.effect.kind.value, one.state) for one in stored]

    def queued(self) -> list[str]:
        def look(db: sqlite3.Connection) -> list[str]:
            return [row[0] for row in db.execute("SELECT kind FROM message ORDER BY kind")]

        return [kind for kind in self.store.read_now(look) if kind != "fetched"]


def test_a_message_is_routed_and_its_sender_answered(store: Store) -> None:
    scene = Scene(store)
    id_ = scene.receive()
    assert scene.perform(id_) == "routed"
    assert scene.queued() == ["answer", "event", "forward"]
    assert scene.states(id_) == [("vacation", "answered"), ("store", "routed")]
    assert len(scene.learned) == 1
    found = store.read_now(inbox.load, id_)
    assert found is not None
    assert (found.state, found.outcome) == ("done", "routed")
    assert found.rule == "90.sieve:3 to route desk"


def test_all_others_go_on_while_a_header_of_many_fields_is_read(store: Store) -> None:
    """It takes a third of a second, of which the event loop has nothing to do."""
    content = b"".join(b"X-%d: 1\r\n" % number for number in range(99_000)) + mail()
    scene = Scene(store, effects=(KEEP,))
    id_ = scene.receive(content=content)

    async def longest_turn() -> float:
        task, longest = spawn(scene.performer().perform(id_), name="perform"), 0.0
        while not task.done():
            begun = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begun)
        assert task.result() == "routed"
        return longest

    assert asyncio.run(longest_turn()) < 0.1


def test_a_hook_that_names_it_is_told_of_a_received_message_once(store: Store) -> None:
    names = ("message.received",)
    hook = Hook(name="ev", url="https://desk.example/ev", events=names)
    tenant = replace(ACME, hooks={"ev": hook})
    both = (replace(KEEP, target="billing"), KEEP)
    scene = Scene(store, effects=both, tenant=tenant)
    assert scene.perform(scene.receive()) == "routed"

    def look(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
        query = "SELECT lane_kind, lane, recipient FROM delivery ORDER BY number"
        return db.execute(query).fetchall()

    assert store.read_now(look) == [
        ("route", "billing", "in@b.example"),
        ("hook", "ev", "webhook@desk.example"),
        ("route", "desk", SHOP),
    ]


def test_performing_again_repeats_nothing(store: Store) -> None:
    scene = Scene(store)
    id_ = scene.receive()
    assert [scene.perform(id_) for _ in range(3)] == ["routed"] * 3
    assert scene.judged == 1
    assert scene.queued() == ["answer", "event", "forward"]


def test_after_a_crash_between_effects_only_the_rest_is_done(store: Store) -> None:
    scene = Scene(store)
    id_ = scene.receive()
    plan = Plan(effects=scene.effects, version="v1")
    store.write_now(inbox.store_plan, id_, PROOF, plan, now=NOON)
    routed = store.read_now(inbox.effects, id_)[1]
    store.write_now(
        inbox.finish_effect, id_, routed.number, event="effect.routed", detail={},
        state="routed", now=NOON,
    )  # fmt: skip
    assert scene.perform(id_) == "routed"
    assert scene.judged == 0
    assert scene.queued() == ["answer", "event"]


def test_a_judge_that_keeps_failing_holds_the_message_after_three_tries(store: Store) -> None:
    scene = Scene(store, fails=True)
    id_ = scene.receive()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            scene.perform(id_)
    assert scene.perform(id_) == "held"
    assert scene.judged == 3


def test_a_plan_that_cannot_be_carried_out_is_held_after_three_tries(store: Store) -> None:
    """A way out that ends the process, or fails, each time: what was done stays done."""
    hook = Hook(name="ev", url="https://desk.example/ev", events=("message.held",))
    scene = Scene(store, way_fails=True, tenant=replace(ACME, hooks={"ev": hook}))
    id_ = scene.receive()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            scene.perform(id_)
    scene.way_fails = False
    assert scene.perform(id_) == "held"
    assert scene.judged == 1
    assert scene.queued() == ["event"]  # of a message that is held, once
    found = store.read_now(inbox.load, id_)
    assert found is not None
    assert "in 3 tries" in (found.rule or "")
    store.write_now(holds.release, id_, event="queue.release", now=NOON)
    assert scene.perform(id_) == "routed"


def test_a_message_may_be_released_again_and_again_until_there_is_a_route(
    store: Store,
) -> None:
    scene = Scene(store, effects=(KEEP,), tenant=replace(ACME, routes={}))
    id_ = scene.receive()
    for _ in range(5):
        assert scene.perform(id_) == "held"
        store.write_now(holds.release, id_, event="queue.release", now=NOON)
    scene.tenant = ACME
    assert scene.perform(id_) == "routed"


def test_a_second_mail_of_the_same_sender_has_no_second_answer(store: Store) -> None:
    scene = Scene(store)
    scene.perform(scene.receive(1))
    second = scene.receive(2)
    assert scene.perform(second) == "routed"
    assert scene.states(second) == [("vacation", "suppressed"), ("store", "routed")]
    (stored, _) = store.read_now(inbox.effects, second)
    assert stored.reason == "the sender had this answer already"
    scene.now += timedelta(days=1)
    third = scene.receive(3)
    scene.perform(third)
    assert scene.states(third)[0] == ("vacation", "answered")


def test_after_five_answers_in_an_hour_a_sender_gets_no_more(store: Store) -> None:
    scene = Scene(store)
    for number in range(1, 7):
        arguments = {**VACATION.arguments, "handle": f"h{number}"}
        scene.effects = (replace(VACATION, arguments=arguments), KEEP)
        last = scene.receive(number)
        scene.perform(last)
    assert scene.states(last)[0] == ("vacation", "suppressed")
    assert scene.queued().count("answer") == 5


def test_a_rejection_above_a_ceiling_holds_the_message(store: Store) -> None:
    scene = Scene(store, effects=(Effect(kind=EffectKind.REJECT, arguments={"reason": "no"}),))
    outcomes = [scene.perform(scene.receive(number)) for number in range(1, 7)]
    assert outcomes == ["answered"] * 5 + ["held"]


@pytest.mark.parametrize(
    ("effects", "outcome"),
    [
        ((Effect(kind=EffectKind.DISCARD, file="x.sieve", line=1),), "discarded"),
        ((VACATION, Effect(kind=EffectKind.DISCARD)), "answered"),
        ((Effect(kind=EffectKind.HOLD, reason="look"),), "held"),
        ((replace(KEEP, target="none"),), "held"),
        ((replace(KEEP, target="billing"), Effect(kind=EffectKind.HOLD, reason="x")), "held"),
        ((Effect(kind=EffectKind.REDIRECT, target="b@c.example"),), "routed"),
        ((), "held"),
    ],
)
def test_each_plan_ends_in_one_outcome(
    store: Store, effects: tuple[Effect, ...], outcome: str
) -> None:
    scene = Scene(store, effects=effects)
    assert scene.perform(scene.receive()) == outcome
    assert store.read_now(books.inbound).difference == 0


def test_a_suppressed_answer_is_in_the_timeline_with_its_reason(store: Store) -> None:
    scene = Scene(store, tenant=replace(ACME, mailboxes={}))
    id_ = scene.receive()
    scene.perform(id_)
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    (entry,) = [one for one in timeline.entries if one.event == "answer.suppressed"]
    assert entry.detail["reason"] == "answers are off for this mailbox"
    assert (entry.detail["file"], entry.detail["line"]) == ("50.sieve", 12)


def test_who_was_told_too_often_is_named_in_the_timeline(store: Store) -> None:
    boss = "boss@acme.example"
    notice = Alert(message_id="", cause="held X", recipient=boss, content=b"", queued_at=NOON)
    hour = [replace(notice, message_id=f"<{number}@gw>") for number in range(20)]
    store.write_now(alerts.queue_notices, "acme", hour, now=NOON)
    told = Effect(kind=EffectKind.NOTIFY, target=f"mailto:{boss}")
    scene = Scene(store, effects=(KEEP, told), tenant=replace(ACME, owner=boss))
    id_ = scene.receive()
    scene.perform(id_)
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    (entry,) = [one for one in timeline.entries if one.event == "effect.notified"]
    assert (entry.detail.get("told"), entry.detail["not_told"]) == (None, [boss])


def test_a_sender_of_bytes_that_are_no_text_is_a_reason_that_can_be_kept(store: Store) -> None:
    unknown = replace(PROOF, mail_from="", mail_from_proven=False)
    scene = Scene(store, proof=unknown)
    written = b"owner-\xff" + b"y" * 9000
    content = mail(Return_Path="<owner-X@x.example>").replace(b"owner-X", written)
    one = fetched(content, internal_date=NOON)
    store.write_now(inbox.store_fetched, one, now=NOON)
    assert scene.perform(one.id) == "routed"
    stored = store.read_now(inbox.effects, one.id)[0]
    assert (stored.state, len(stored.reason or "")) == ("suppressed", 500)


def test_limits_that_a_chain_asked_for_are_counted_with_its_plan(store: Store) -> None:
    seen = marks.Mark(tenant="acme", kind="limit", handle="h", key="k")
    scene = Scene(store, effects=(KEEP,), marked=(seen,))
    scene.perform(scene.receive())
    assert store.read_now(marks.count, seen, since=NOON - timedelta(seconds=1)) == 1


def test_what_was_judged_beside_its_duplicate_is_judged_again(store: Store) -> None:
    """One mail in two folders is fetched at once: neither was a duplicate at first."""
    seen = marks.Mark(tenant="acme", kind="duplicate", handle="h", key="k")
    store.write_now(marks.add, [seen], now=NOON)
    scene = Scene(store, effects=(KEEP,), marked=(seen,), seen_to=[0, 1])
    assert scene.perform(scene.receive()) == "routed"
    assert scene.judged == 2


def test_a_message_nobody_knows_has_no_outcome(store: Store) -> None:
    assert Scene(store).perform("01ARZ3NDEKTSV4RR99") is None


def test_a_complaint_is_taken_in_once_with_the_plan(store: Store) -> None:
    """Even when what the policies decided cannot be carried out at once."""
    complaint = Complaint(kind="abuse", reporter="", recipients=(), ids=("<9@x.example>",))
    scene = Scene(store, way_fails=True, complaint=complaint)
    id_ = scene.receive()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            scene.perform(id_)
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    assert [one.event for one in timeline.entries].count("complaint.unmatched") == 1


def test_the_mailbox_that_a_proven_buyer_writes_to_is_remembered(store: Store) -> None:
    buyer = parse_address("x1+a7@marketplace.amazon.de")
    scene = Scene(store, proof=replace(PROOF, header_from=str(buyer), proven=str(buyer)))
    assert scene.perform(scene.receive()) == "routed"
    assert store.read_now(buyers.find_registered, tenant="acme", buyer=buyer) == [SHOP]


def test_who_is_suppressed_gets_no_automatic_answer_either(store: Store) -> None:
    entry = Suppression(
        tenant="acme", address="ann@example.org", reason=SuppressionReason.COMPLAINT,
        evidence="abuse", expires_on=NOON.date() + timedelta(days=1),
    )  # fmt: skip
    store.write_now(suppressions.suppress, entry, now=NOON)
    tenant = replace(ACME, owner="boss@acme.example")
    told = Effect(kind=EffectKind.NOTIFY, target="mailto:boss@acme.example")
    scene = Scene(store, effects=(VACATION, KEEP, told), tenant=tenant)
    id_ = scene.receive()
    assert scene.perform(id_) == "routed"
    assert scene.states(id_)[2] == ("notify", "done")  # its owner may hear of them
    stored, *_ = store.read_now(inbox.effects, id_)
    assert (stored.state, stored.reason) == (
        "suppressed",
        "nothing is sent to ann@example.org (complaint)",
    )
    scene.now += timedelta(days=1)
    scene.perform(later := scene.receive(2))
    assert scene.states(later)[0] == ("vacation", "answered")
