"""Peak memory of the gateway: many messages through it, and a large queue that waits.

    .venv/bin/python -m tests.bench.memory [--messages 1000000] [--queue-mb 1024]

`smaps` is not asked: what is printed is the sum of the peak resident memory of its processes.
"""

from __future__ import annotations

import argparse
import time

from tests.bench import load, processes
from tests.bench.relay import PASSWORD, TENANT
from tests.bench.sink import Sink
from tests.bench.waiting import defer
from tests.servers.gateway import Gateway

MEGABYTE = 1024 * 1024
LARGE = 100 * 1024


def main() -> None:
    """Measure both and print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--queue-mb", type=int, default=1024)
    arguments = parser.parse_args()
    sink = Sink()
    try:
        pass_through(sink, messages=arguments.messages)
        wait_with(sink, queue_mb=arguments.queue_mb)
    finally:
        sink.close()


def pass_through(sink: Sink, *, messages: int) -> None:
    """Send them in ten parts, and print the peak after each: it must not grow on."""
    gateway = started(sink)
    try:
        for part in range(1, 11):
            send(gateway, messages // 10)
            sink.wait_for(part * (messages // 10), seconds=3600)
            report(gateway, f"{part * (messages // 10):,} messages through")
    finally:
        gateway.close()


def wait_with(sink: Sink, *, queue_mb: int) -> None:
    """Start with a queue of that size, accept and deliver beside it."""
    gateway = Gateway(is_cold=True)
    try:
        gateway.apply(TENANT.format(port=sink.port), **{"bench-password": PASSWORD})
        count = queue_mb * MEGABYTE // LARGE
        defer(gateway.home / "state/gateway.db", messages=count, size_bytes=LARGE)
        gateway.start()
        report(gateway, f"started with {queue_mb} MB that wait")
        before = sink.messages
        send(gateway, 1000)
        sink.wait_for(before + 1000, seconds=600)
        report(gateway, "1,000 more messages through")
    finally:
        gateway.close()


def started(sink: Sink) -> Gateway:
    """Return a running gateway whose upstream is the sink."""
    gateway = Gateway(is_cold=True)
    gateway.apply(TENANT.format(port=sink.port), **{"bench-password": PASSWORD})
    gateway.start()
    return gateway


def send(gateway: Gateway, messages: int) -> None:
    """Send that many of 4 KB over 20 sessions that are reused."""
    load.run(
        load.Load(
            port=gateway.plain,
            username="acme.bench",
            password=PASSWORD,
            messages=messages,
            size_bytes=4096,
            reuse=True,
        )
    )


def report(gateway: Gateway, what: str) -> None:
    """Print the peak so far."""
    assert gateway.process is not None
    peaks = [processes.peak_bytes_of(one) / 1e6 for one in processes.tree(gateway.process.pid)]
    each = " + ".join(f"{one:.0f}" for one in peaks)
    print(f"{time.strftime('%H:%M:%S')}  {what}: peak {sum(peaks):.0f} MB ({each})", flush=True)


if __name__ == "__main__":
    main()
