from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.app.directory import Directory
from gateway.app.foundation import Foundation
from gateway.app.way_news import WayNews
from gateway.config import Settings
from gateway.mail.delivery import Lane, LaneKind
from gateway.mail.tenant_file import read_tenant_file
from gateway.providers.catalogue import load_catalogue
from gateway.store import lanes, people, tenants
from gateway.store.sealing import Seal
from gateway.store.sqlite import Db, Store
from tests.store.values import set_aside

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TENANT = """
tenant = "acme"
[upstreams.own]
host = "smtp.acme.example"
[hooks.events]
url = "https://desk.example/events"
events = ["upstream.state_changed", "route.state_changed"]
"""
OWN = Lane("acme", LaneKind.UPSTREAM, "own")


class News:
    """The upstreams of a store, and what was told of them."""

    def __init__(self, directory: Path) -> None:
        self.store = Store.open(directory / "gateway.db")
        self._seal = seal = Seal.load(directory / "secret.key")
        self._base = Foundation(
            settings=Settings(path=directory / "gateway.conf"),
            store=self.store,
            seal=seal,
            directory=Directory(self.store, seal),
            catalogue=load_catalogue(),
        )
        self._read = 0
        self.of_routes: list[Any] = []  # told by the last look

    def apply(self) -> None:
        file = read_tenant_file(tomllib.loads(TENANT))
        self.store.write_now(tenants.apply_tenant, file, {}, self._seal, now=NOON)
        self._base.directory.expect_change()
        asyncio.run(self._base.directory.look())

    def pause(self, lane: Lane = OWN, *, by: str = "sign-in") -> None:
        self.store.write_now(
            lanes.pause_lane, lane, by=by, reason=f"by {by}", fix="mend it", now=NOON
        )

    def resume(self) -> None:
        self.store.write_now(lanes.resume_lane, OWN, now=NOON)

    def told(self) -> list[tuple[str, str | None, str | None]]:
        """Let a server, that may just have started, look; return what it tells."""
        asyncio.run(WayNews(self._base).look(now=NOON))
        bodies = self.store.read_now(_bodies)
        new, self._read = bodies[self._read :], len(bodies)
        data = [one["data"] for one in new if one["type"] == "upstream.state_changed"]
        assert {(one["tenant"], one["upstream"]) for one in data} <= {("acme", "own")}
        self.of_routes = [one["data"] for one in new if one["type"] == "route.state_changed"]
        return [(one["state"], one["paused_by"], one["reason"]) for one in data]


def _bodies(db: Db) -> list[Any]:
    query = (
        "SELECT c.bytes FROM content c JOIN message m ON m.id = c.message"
        " WHERE m.kind = 'event' ORDER BY m.accepted_at, m.id"
    )
    return [json.loads(row[0]) for row in db.execute(query)]


@pytest.fixture
def news(tmp_path: Path) -> Iterator[News]:
    found = News(tmp_path)
    found.apply()
    yield found
    found.store.close()


def test_a_pause_and_its_end_are_told_once_each(news: News) -> None:
    assert news.told() == []
    news.pause()
    assert news.told() == [("paused", "sign-in", "by sign-in")]
    assert news.told() == []
    news.resume()
    assert news.told() == [("open", None, None)]
    assert news.told() == []


def test_another_reason_is_told_without_an_end_in_between(news: News) -> None:
    news.pause()
    news.told()
    news.pause(by="quota")
    assert news.told() == [("paused", "quota", "by quota")]
    news.resume()
    assert news.told() == [("open", None, None)]


def test_the_pause_of_a_route_or_of_a_strange_tenant_is_not_told(news: News) -> None:
    news.pause(Lane("acme", LaneKind.ROUTE, "desk"))
    news.pause(Lane("gone", LaneKind.UPSTREAM, "own"))
    assert news.told() == []


def test_a_route_that_takes_no_mail_is_told_once_and_once_more_when_all_goes_on(
    news: News,
) -> None:
    desk = Lane("acme", LaneKind.ROUTE, "desk")
    ids = [news.store.write_now(set_aside, desk) for _ in range(2)]
    news.store.write_now(set_aside, Lane("acme", LaneKind.HOOK, "events"))
    assert news.told() == []
    assert news.of_routes == [
        {
            "tenant": "acme", "route": "desk", "state": "set-aside", "reason": "it is gone",
            "fix": "gateway queue release --tenant acme --way desk", "message": ids[0],
        }
    ]  # fmt: skip
    news.store.write_now(people.release, ids[0], now=NOON)
    news.told()
    assert news.of_routes == []
    news.store.write_now(people.release, ids[1], now=NOON)
    news.told()
    (ended,) = news.of_routes
    assert (ended["route"], ended["state"], ended["message"]) == ("desk", "open", None)


def test_what_is_paused_before_the_server_knows_its_tenant_is_told_later(
    tmp_path: Path,
) -> None:
    news = News(tmp_path)
    news.pause(by="person")
    assert news.told() == []
    news.apply()
    assert news.told() == [("paused", "person", "by person")]
    news.store.close()
