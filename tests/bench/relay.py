"""The relay beside Postfix with OpenDKIM, in one run, on one machine, into one sink.

    .venv/bin/python -m tests.bench.relay [--messages 3000] [--rounds 3] [--sizes 4096 1048576]
        [--tls] [--sync-ms 3] [--deferred 100000]

Both sides sign in each connection, keep each message on disk before the 250, sign it with
RSA-2048 and hand it to smtp-sink. Figures are medians of the rounds; the last column is the
gateway's divided by Postfix's. With --tls clients say STARTTLS, with --sync-ms each fsync of
both sides takes so much longer, with --deferred the gateway is measured beside itself.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import load, processes
from tests.bench.sink import Sink
from tests.bench.slow_sync import let_postfix_see_it, slow_down
from tests.bench.waiting import defer
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
    tls: bool
    roots: tuple[int, ...]


def main() -> None:
    """Measure both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4096])
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--sync-ms", type=float, default=0.0)
    parser.add_argument("--deferred", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.deferred:
        compare_with_itself(arguments)
    else:
        compare_with_postfix(arguments)


def compare_with_itself(arguments: argparse.Namespace) -> None:
    """Measure the gateway with an empty queue, and with much in it that waits."""
    sink = Sink()
    empty, full = Gateway(is_cold=True), Gateway(is_cold=True)
    try:
        sides = [start_gateway(empty, sink, tls=arguments.tls)]
        full.apply(TENANT.format(port=sink.port), **{"bench-password": PASSWORD})
        defer(full.home / "state/gateway.db", messages=arguments.deferred)
        sides.append(start_gateway(full, sink, tls=arguments.tls))
        for reuse in (False, True):
            rounds = [
                tuple(
                    one_round(side, sink, arguments.messages, arguments.sizes[0], reuse)
                    for side in reversed(sides)
                )
                for _ in range(arguments.rounds)
            ]
            print_table(
                rounds, title=title(arguments, arguments.sizes[0], reuse=reuse),
                names=(f"{arguments.deferred:,} deferred", "empty queue"),
            )  # fmt: skip
    finally:
        empty.close()
        full.close()
        sink.close()


def compare_with_postfix(arguments: argparse.Namespace) -> None:
    """Measure the gateway and Postfix by turns."""
    sink = Sink()
    if arguments.sync_ms:
        slow_down(arguments.sync_ms)
    gateway, postfix, opendkim = Gateway(is_cold=True), None, None
    try:
        gateway_side = start_gateway(gateway, sink, tls=arguments.tls)
        opendkim, milter = start_opendkim()
        postfix = Postfix(tls_auth_only=False, relay_to=sink.port, milter=milter)
        let_postfix_see_it(postfix.home / "conf/main.cf")
        postfix_side = start_postfix(postfix, opendkim, tls=arguments.tls)
        for size_bytes in arguments.sizes:
            for reuse in (False, True):
                rounds = [
                    (one_round(gateway_side, sink, arguments.messages, size_bytes, reuse),
                     one_round(postfix_side, sink, arguments.messages, size_bytes, reuse))
                    for _ in range(arguments.rounds)
                ]  # fmt: skip
                print_table(
                    rounds, title=title(arguments, size_bytes, reuse=reuse),
                    names=("gateway", "Postfix + OpenDKIM"),
                )  # fmt: skip
    finally:
        gateway.close()
        sink.close()
        if postfix:
            postfix.close()
        if opendkim:
            opendkim.terminate()


def start_gateway(gateway: Gateway, sink: Sink, *, tls: bool) -> Side:
    """Start the gateway with its default settings, its upstream the sink."""
    gateway.apply(TENANT.format(port=sink.port), **{"bench-password": PASSWORD})
    gateway.start()
    assert gateway.process is not None
    return Side(
        name="gateway",
        port=gateway.starttls if tls else gateway.plain,
        tls=tls,
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


def start_postfix(postfix: Postfix, opendkim: subprocess.Popen[bytes], *, tls: bool) -> Side:
    """Start Postfix, its relay host the sink."""
    postfix.add_user("bench", PASSWORD)
    postfix.start()
    return Side(
        name="Postfix + OpenDKIM",
        port=postfix.port,
        tls=tls,
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
            tls=side.tls,
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


def title(arguments: argparse.Namespace, size_bytes: int, *, reuse: bool) -> str:
    """Return what was measured."""
    how = "sessions reused" if reuse else "new connection each"
    where = "STARTTLS" if arguments.tls else "plain on loopback"
    disk = f", fsync {arguments.sync_ms:g} ms slower" if arguments.sync_ms else ""
    return f"{size_bytes} bytes, {how}, {where}, signed in{disk}"


def print_table(
    rounds: Sequence[tuple[Figures, ...]], *, title: str, names: tuple[str, str]
) -> None:
    """Print the medians of both sides and their ratio."""
    table = Table(title=title)
    for column in ("", *names, "ratio"):
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
