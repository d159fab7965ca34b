from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import Cli


@pytest.fixture
def bare(tmp_path: Path) -> Cli:
    """A directory with nothing in it."""
    return Cli(tmp_path)


@pytest.fixture
def cli(bare: Cli) -> Cli:
    """A directory with a gateway.conf."""
    bare.configure()
    return bare
