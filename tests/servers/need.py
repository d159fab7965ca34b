"""A test that needs a real server says so; without it the test is skipped, in CI it fails."""

from __future__ import annotations

import os
import shutil

import pytest

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def need(*programs: str, root: bool = False) -> None:
    """Skip the test unless every program is installed, and we are root where that is needed."""
    missing = [one for one in programs if shutil.which(one, path=PATH) is None]
    if root and os.geteuid() != 0:
        missing.append("root")
    if not missing:
        return
    reason = f"needs {', '.join(missing)}: sh tests/all installs it"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
