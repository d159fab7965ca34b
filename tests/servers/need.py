"""A test that needs a real server says so; without it the test is skipped, in CI it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def need(*wanted: str, root: bool = False, mount: bool = False) -> None:
    """Skip the test unless all is installed, and we are root, or may mount, where needed.

    Wanted are programs by their name, libraries by the whole path of a file, which may be a
    pattern.
    """
    missing = [one for one in wanted if not _is_installed(one)]
    if root and os.geteuid() != 0:
        missing.append("root")
    if mount and not missing and not _may_mount():
        missing.append("to be allowed to mount, which a container is not")
    if not missing:
        return
    reason = f"needs {', '.join(missing)}: sh tests/all installs it"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _may_mount() -> bool:
    words = ["unshare", "--mount", "true"]
    return subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0


def _is_installed(wanted: str) -> bool:
    if wanted.startswith("/"):
        return any(Path("/").glob(wanted.removeprefix("/")))
    return shutil.which(wanted, path=PATH) is not None
