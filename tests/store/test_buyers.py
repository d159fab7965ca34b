"""Which mailbox a buyer at Amazon writes to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.mail.address import parse_address
from gateway.store import buyers
from gateway.store.sqlite import Store

ANN, BEN = "x1@marketplace.amazon.de", "y2@marketplace.amazon.de"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "gateway.db")
    yield opened
    opened.close()


def learn(store: Store, buyer: str, mailbox: str, *, tenant: str = "acme") -> None:
    address = parse_address(buyer)
    store.write_now(buyers.learn, tenant=tenant, buyer=address, mailbox=mailbox)


def find(store: Store, buyer: str) -> list[str]:
    address = parse_address(buyer)
    return store.read_now(buyers.find_registered, tenant="acme", buyer=address)


def test_a_buyer_is_known_without_the_detail_of_the_alias_and_the_last_mailbox_counts(
    store: Store,
) -> None:
    learn(store, ANN.replace("@", "+a7@"), "old@qq.com")
    learn(store, ANN, "shop@qq.com")
    assert find(store, ANN.replace("@", "+B8@")) == ["shop@qq.com"]


def test_of_one_who_never_wrote_the_mailboxes_of_the_tenants_other_buyers_are_known(
    store: Store,
) -> None:
    assert find(store, BEN) == []
    learn(store, ANN, "shop@qq.com")
    learn(store, ANN, "shop@163.com", tenant="globex")
    assert find(store, BEN) == ["shop@qq.com"]
    store.write_now(buyers.forget, "shop@qq.com")
    assert find(store, BEN) == []
