from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.store.errors import StoreError
from gateway.store.sealing import Seal
from gateway.store.sqlite import Store
from tests.servers.need import need

SERVER = 65534  # the user that the server runs as


@pytest.fixture
def state() -> Iterator[Path]:
    """The state directory of a server that runs as another user than root."""
    need(root=True)
    with TemporaryDirectory() as name:  # pytest's own folders let nobody else pass
        os.chown(name, SERVER, SERVER)
        yield Path(name)
        os.seteuid(0)


def test_a_key_that_root_makes_or_replaces_is_the_servers(state: Path) -> None:
    seal = Seal.load(state / "secret.key")
    assert (state / "secret.key").stat().st_uid == SERVER
    seal.rotate()
    assert (state / "secret.key").stat().st_uid == SERVER
    assert (state / "secret.key").stat().st_mode & 0o077 == 0


def test_a_store_that_root_makes_is_the_servers(state: Path) -> None:
    Store.open(state / "gateway.db").close()
    os.seteuid(SERVER)
    Store.open(state / "gateway.db").close()


def test_a_first_start_that_was_killed_leaves_no_half_key(tmp_path: Path) -> None:
    killed = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from gateway.store.sealing import Seal\n"
        "os.fdopen = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Seal.load(Path(sys.argv[1]))\n"
    )
    key = tmp_path / "secret.key"
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", killed, key], cwd=root, check=False)
    assert ended.returncode == -signal.SIGKILL
    seal = Seal.load(key)
    assert Seal.load(key).open(seal.seal("s3cret")) == "s3cret"


def test_who_may_not_read_the_state_is_told_so_and_not_to_restore_it(state: Path) -> None:
    Seal.load(state / "secret.key")
    os.chown(state / "secret.key", 0, 0)
    os.seteuid(SERVER)
    with pytest.raises(StoreError, match=r"secret\.key: cannot be read: permission denied"):
        Seal.load(state / "secret.key")
    os.seteuid(0)
    os.chown(state, 0, 0)
    os.seteuid(SERVER)
    with pytest.raises(StoreError, match=r"cannot be opened: permission denied; type it as"):
        Store.open(state / "gateway.db")
    with pytest.raises(StoreError, match="cannot be opened: permission denied; type it as"):
        Seal.load(state / "secret.key")
