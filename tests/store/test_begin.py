from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.store.begin import alone_in
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store


def test_a_store_and_its_key_are_begun_by_one_process_at_a_time(tmp_path: Path) -> None:
    """A verb beside the first start: both would make the tables, or a key each."""
    with ThreadPoolExecutor(2) as others:
        with alone_in(tmp_path):
            opening = others.submit(Store.open, tmp_path / "gateway.db")
            sealing = others.submit(Seal.load, tmp_path / "secret.key")
            with pytest.raises(TimeoutError):
                opening.result(timeout=0.1)
            assert not sealing.done()
        opening.result().close()
        sealing.result()
