from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_verb_that_only_looks_starts_without_the_server(tmp_path: Path) -> None:
    """Neither Twisted nor FastAPI is imported for it: they would triple its time."""
    program = (
        "import runpy, sys\nsys.argv = ['gateway', 'provider', 'list', '--json']\n"
        "try: runpy.run_module('gateway', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "print([one for one in ('twisted', 'fastapi', 'aiosmtpd') if one in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "[]\n"


def test_a_process_that_takes_mail_starts_without_the_pages() -> None:
    """FastAPI and what only the first process needs would double its time and memory."""
    program = (
        "import sys, gateway.app.worker\n"
        "print([one for one in ('fastapi', 'imapclient', 'dkim', 'spf') if one in sys.modules])"
    )
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
