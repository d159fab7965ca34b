from __future__ import annotations

import pytest

from gateway.store.sqlite import Db, Store
from gateway.store.views import VIEWS


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_there_and_shows_no_secret(store: Store, name: str) -> None:
    def columns(db: Db) -> list[str]:
        return [one[0] for one in db.execute(f"SELECT * FROM {name}").description]

    shown = store.read_now(columns)
    assert shown
    assert not {"content", "envelope", "sealed", "token", "settings"} & {*shown}
