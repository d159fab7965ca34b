"""A slower disk for every process that is started later: a library before the system's."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
NAMES = ("LD_PRELOAD", "SLOW_SYNC_US")


def slow_down(milliseconds: float) -> None:
    """Let each fsync of processes started from now on take so much longer; needs gcc."""
    library = Path(tempfile.mkdtemp(prefix="slow-sync-")) / "slow_sync.so"
    library.parent.chmod(0o755)
    subprocess.run(
        ["gcc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True
    )
    os.environ["SLOW_SYNC_US"] = str(int(milliseconds * 1000))
    os.environ["LD_PRELOAD"] = str(library)


def let_postfix_see_it(configuration: Path) -> None:
    """Have Postfix hand the two names on to its daemons, which it does for few."""
    with configuration.open("a") as file:
        file.write(f"import_environment = MAIL_CONFIG {' '.join(NAMES)}\n")
