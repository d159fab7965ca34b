from __future__ import annotations

import signal
import subprocess
import sys

from tests.cli.running import ROOT, Cli
from tests.servers.ports import free_ports


def test_it_stays_in_the_foreground_until_it_is_told_to_stop(cli: Cli) -> None:
    listener, web = free_ports(2)
    cli.write(
        "gateway.conf",
        f'[server]\nstate = "state"\n[console]\naddress = "127.0.0.1:{web}"\n'
        f'[[submission.listeners]]\naddress = "127.0.0.1:{listener}"\nsecurity = "none"\n',
    )
    server = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve"],
        cwd=cli.home,
        env={"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert cli.json("status", "--wait", "60")["ready"] is True
    finally:
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "server.started" in said


def test_a_configuration_that_is_wrong_is_told_in_one_sentence(cli: Cli) -> None:
    cli.write("gateway.conf", "[server]\nworkers = 65\n")
    said = cli.refused("serve")
    assert said.endswith("[server] workers: write a number from 0 to 64\n")
    assert said.count("\n") == 1
