from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.cli.running import Cli

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


def test_who_stops_a_verb_does_not_wait_for_a_server_that_says_nothing(tmp_path: Path) -> None:
    """A thread that reads is not waited for: it might read for a minute."""
    cli = Cli(tmp_path)
    cli.configure()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        cli.write("code", "secret")
        account = f'host = "127.0.0.1"\nport = {silent.getsockname()[1]}\nsecurity = "none"'
        box = f'[mailboxes."a@acme.example"]\n{account}\npassword_file = "code"\n'
        cli.write("acme.toml", f'tenant = "acme"\n{box}')
        cli.say("apply", "acme.toml")
        verb = [sys.executable, "-m", "gateway", "mailbox", "ledger", "a@acme.example"]
        running = subprocess.Popen(
            verb, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
        )
        with running, silent.accept()[0]:
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=45)
    assert (running.returncode, said) == (130, b"")
