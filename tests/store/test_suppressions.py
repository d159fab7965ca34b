from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from gateway.mail.address import parse_address
from gateway.mail.envelope import Refused
from gateway.mail.reply import Reply
from gateway.mail.suppression import Suppression, SuppressionReason
from gateway.mail.tenant_file import read_tenant_file
from gateway.store import books, journal, suppressions, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.store.values import NOON

BOUNCED = Suppression(
    tenant="acme",
    address="ann@example.org",
    reason=SuppressionReason.RECIPIENT_DEAD,
    evidence="550 5.1.1 no such user",
    expires_on=date(2026, 11, 26),
)
BY_HAND = replace(
    BOUNCED, reason=SuppressionReason.BY_HAND, evidence="she asked for it", expires_on=None
)
DAY = timedelta(days=1)


def found(store: Store, tenant: str = "acme", *, days: int = 0) -> Suppression | None:
    now = NOON + days * DAY
    entries = store.read_now(suppressions.entries, tenant=tenant, now=now)
    return next((one for one in entries if one.address == "ann@example.org"), None)


def test_what_was_against_it_for_a_tenant_that_is_gone_is_read_anew(
    store: Store, tmp_path: Path
) -> None:
    file, seal = read_tenant_file({"tenant": "acme"}), Seal.load(tmp_path / "secret.key")
    store.write_now(tenants.apply_tenant, file, {}, seal, now=NOON)
    store.write_now(suppressions.suppress, BOUNCED, now=NOON)
    before = store.read_now(suppressions.revision)
    store.write_now(tenants.remove_tenant, "acme", now=NOON)
    assert found(store) is None
    assert store.read_now(suppressions.revision) > before


def test_an_address_is_suppressed_for_its_tenant_alone(store: Store) -> None:
    store.write_now(suppressions.suppress, BOUNCED, now=NOON)
    assert found(store) == BOUNCED
    assert found(store, "other") is None
    assert store.read_now(suppressions.entries, now=NOON) == [BOUNCED]
    assert store.read_now(suppressions.entries, tenant="other", now=NOON) == []


def test_it_ends_on_its_day_and_is_forgotten(store: Store) -> None:
    store.write_now(suppressions.suppress, BOUNCED, now=NOON)
    assert found(store, days=1) == BOUNCED
    assert found(store, days=2) is None
    assert store.read_now(suppressions.entries, now=NOON + 2 * DAY) == []
    other = replace(BOUNCED, address="ben@example.org", expires_on=None)
    store.write_now(suppressions.suppress, other, now=NOON + 2 * DAY)
    assert not store.write_now(suppressions.lift, "acme", "ann@example.org")


def test_a_bounce_does_not_shorten_what_a_person_said(store: Store) -> None:
    store.write_now(suppressions.suppress, BY_HAND, now=NOON)
    store.write_now(suppressions.suppress, BOUNCED, now=NOON)
    assert found(store) == BY_HAND


def test_a_later_bounce_and_a_person_replace_a_bounce(store: Store) -> None:
    later = replace(BOUNCED, expires_on=date(2026, 12, 1))
    for entry in (BOUNCED, later, BY_HAND):
        store.write_now(suppressions.suppress, entry, now=NOON)
        assert found(store) == entry


def test_what_is_lifted_is_gone(store: Store) -> None:
    store.write_now(suppressions.suppress, BY_HAND, now=NOON)
    assert store.write_now(suppressions.lift, "acme", "ann@example.org")
    assert found(store) is None
    assert not store.write_now(suppressions.lift, "acme", "ann@example.org")


def test_the_revision_tells_of_every_change(store: Store) -> None:
    seen = [store.read_now(suppressions.revision)]
    store.write_now(suppressions.suppress, BY_HAND, now=NOON)
    seen.append(store.read_now(suppressions.revision))
    store.write_now(suppressions.lift, "acme", "ann@example.org")
    seen.append(store.read_now(suppressions.revision))
    assert len(set(seen)) == 3


def test_a_refused_recipient_is_found_and_counts_in_no_book(store: Store) -> None:
    refused = Refused(
        tenant="acme",
        credential="acme.zammad",
        return_path=parse_address("support@acme.example"),
        recipient=parse_address("Ann@example.org"),
        reply=Reply(550, "5.1.1", "This address was refused as dead"),
        fix="gateway suppression remove acme ann@example.org",
    )
    id_ = store.write_now(suppressions.note_refusal, refused, now=NOON)
    (summary,) = store.write_now(journal.search, ["ann@example.org"])
    assert (summary.id, summary.kind, summary.tenant) == (id_, "refused", "acme")
    assert (summary.recipients, summary.states) == (("Ann@example.org",), ("failed",))
    timeline = store.read_now(journal.timeline, id_)
    assert timeline is not None
    assert timeline.entries[0].event == "recipient.refused"
    assert timeline.entries[0].detail["fix"] == refused.fix
    book = store.read_now(books.outbound)
    assert (book.accepted, book.failed, book.difference) == (0, 0, 0)
