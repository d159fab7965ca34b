"""The relay beside Postfix with OpenDKIM, in one run, on one machine, into one sink.

    .venv/bin/python -m tests.bench.relay [--messages 3000] [--rounds 3]

Both sides sign in each connection, keep each message on disk before the 250, sign it with
RSA-2048 and hand it to smtp-sink. Figures are medians of the rounds; the last column is the
gateway's divided by Postfix's.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import load, processes
from tests.bench.sink import Sink
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.postfix import Postfix

PASSWORD = "a-password-of-more-than-twenty-characters"

TENANT = """
tenant = "acme"
[domains."acme.example"]
[senders."support@acme.example"]
upstream = "sink"
[upstreams.sink]
host = "127.0.0.1"
port = {port}
security = "none"
[credentials.bench]
password_file = "bench-password"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one round of one side gave."""

    accepted_per_second: float
    delivered_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_seconds_per_1000: float
    peak_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: where to send, which processes it is."""

    name: str
    port: int
    username: str
    roots: tuple[int, ...]


def main() -> None:
    """Measure both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4096])
    arguments = parser.parse_args()
    sink = Sink()
    gateway, postfix, opendkim = Gateway(), None, None
    try:
        gateway_side = start_gateway(gateway, sink)
        opendkim, milter = start_opendkim()
        postfix = Postfix(tls_auth_only=False, relay_to=sink.port, milter=milter)
        postfix_side = start_postfix(postfix, opendkim)
        for size_bytes in arguments.sizes:
            for reuse in (False, True):
                rounds = [
                    (one_round(gateway_side, sink, arguments.messages, size_bytes, reuse),
                     one_round(postfix_side, sink, arguments.messages, size_bytes, reuse))
                    for _ in range(arguments.rounds)
                ]  # fmt: skip
                print_table(rounds, size_bytes=size_bytes, reuse=reuse)
    finally:
        gateway.close()
        sink.close()
        if postfix:
            postfix.close()
        if opendkim:
            opendkim.terminate()


def start_gateway(gateway: Gateway, sink: Sink) -> Side:
    """Start the gateway with its default settings, its upstream the sink."""
    gateway.apply(TENANT.format(port=sink.port), **{"bench-password": PASSWORD})
    gateway.start()
    assert gateway.process is not None
    return Side(
        name="gateway",
        port=gateway.plain,
        username="acme.bench",
        roots=(gateway.process.pid,),
    )


def start_opendkim() -> tuple[subprocess.Popen[bytes], str]:
    """Start OpenDKIM on a Unix socket with a key of its own; return it and the socket."""
    home = Path(tempfile.mkdtemp(prefix="opendkim-"))
    home.chmod(0o755)
    subprocess.run(
        ["opendkim-genkey", "-b", "2048", "-d", "acme.example", "-s", "bench", "-D", str(home)],
        check=True,
    )
    socket = home / "milter.sock"
    configuration = home / "opendkim.conf"
    configuration.write_text(
        f"Domain acme.example\nSelector bench\nKeyFile {home}/bench.private\nMode s\n"
        f"Canonicalization relaxed/simple\nSocket local:{socket}\nUMask 000\n"
        "InternalHosts 127.0.0.1\nSyslog no\nRequireSafeKeys no\n"
    )
    process = subprocess.Popen(["opendkim", "-f", "-x", str(configuration)])
    wait_until(socket.exists, what=lambda: "OpenDKIM's socket")
    return process, f"unix:{socket}"


def start_postfix(postfix: Postfix, opendkim: subprocess.Popen[bytes]) -> Side:
    """Start Postfix, its relay host the sink."""
    postfix.add_user("bench", PASSWORD)
    postfix.start()
    return Side(
        name="Postfix + OpenDKIM",
        port=postfix.port,
        username="bench",
        roots=(postfix.master_pid, opendkim.pid),
    )


def one_round(side: Side, sink: Sink, messages: int, size_bytes: int, reuse: bool) -> Figures:
    """Send one load to one side and wait until the sink has it."""
    before_messages, before_cpu = sink.messages, processes.cpu_seconds(*side.roots)
    begun = time.monotonic()
    measured = load.run(
        load.Load(
            port=side.port,
            username=side.username,
            password=PASSWORD,
            messages=messages,
            size_bytes=size_bytes,
            reuse=reuse,
        )
    )
    sink.wait_for(before_messages + messages, seconds=600)
    seconds = time.monotonic() - begun
    used = processes.cpu_seconds(*side.roots) - before_cpu
    if measured.refused:
        raise AssertionError(
            f"{side.name} refused {len(measured.refused)}: {measured.refused[0]}"
        )
    return Figures(
        accepted_per_second=messages / measured.wall_seconds,
        delivered_per_second=messages / seconds,
        p50_ms=measured.percentile(0.5) * 1000,
        p99_ms=measured.percentile(0.99) * 1000,
        cpu_seconds_per_1000=used / messages * 1000,
        peak_mb=processes.peak_bytes(*side.roots) / 1e6,
    )


def print_table(rounds: list[tuple[Figures, Figures]], *, size_bytes: int, reuse: bool) -> None:
    """Print the medians of both sides and their ratio."""
    how = "sessions reused" if reuse else "new connection each"
    table = Table(title=f"{size_bytes} bytes, {how}, plain on loopback, signed in")
    for column in ("", "gateway", "Postfix + OpenDKIM", "ratio"):
        table.add_column(column, justify="left" if not column else "right")
    for name in Figures.__dataclass_fields__:
        ours, theirs = (
            statistics.median(getattr(one[at], name) for one in rounds) for at in (0, 1)
        )
        table.add_row(
            name.replace("_", " "), f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.2f}"
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
