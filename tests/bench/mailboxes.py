"""Many idle mailboxes at a real Dovecot, watched by one gateway: memory, CPU, time of a mail.

    .venv/bin/python -m tests.bench.mailboxes [--mailboxes 2000] [--mails 500] [--seconds 60]
        [--tls] [--without-junk] [--polled 1000] [--broken 1] [--restart]

Every mailbox has an INBOX, in which the gateway idles, and a junk folder, which it looks into
every two minutes. The gateway has two processes, as by default on two cores: the first watches
the mailboxes, the other takes mail in. Mails are handed to Dovecot by LMTP, spread over a
minute and over the mailboxes; the time is taken from the beginning of that session until the
helpdesk's webhook has the mail. `--polled` of the mailboxes are treated as NetEase's: without
IDLE, looked into every two minutes, kept alive by STATUS. `--broken` mailboxes are at a server
that takes the sign-in and never answers a FETCH. With `--restart` Dovecot is stopped for a
minute, and everybody must come back.
"""

from __future__ import annotations

import argparse
import queue
import random
import re
import resource
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import processes
from tests.bench.silent import Silent
from tests.servers.dovecot import Dovecot
from tests.servers.gateway import Gateway
from tests.servers.ports import wait_until
from tests.servers.webhook import SECRET, Helpdesk
from tests.servers.zone import Zone

PASSWORD = "code-of-the-mailbox"
MAILBOXES_A_TENANT = 100
POSTMEN = 8
COME_BACK_SECONDS = 1200.0
OUTAGE_SECONDS = 60.0
SETTLE_SECONDS = 30.0  # what is told of the beginning is handed over by then
MUCH_DOVECOT = """
service imap {
  service_count = 0
  client_limit = 100
  process_limit = 200
}
service anvil {
  client_limit = 10000
}
service auth {
  client_limit = 10000
}
namespace inbox {
  inbox = yes
  mailbox Junk {
    auto = create
    special_use = \\Junk
  }
}
"""
TENANT = """
tenant = "shop{number}"
route = "helpdesk"
[routes.helpdesk]
type = "webhook"
url = "{url}"
secret_file = "hook"
"""
MAILBOX = """
[mailboxes."{address}"]
host = "127.0.0.1"
port = {port}
security = "{security}"
password_file = "code"
junk = "{junk}"
"""


POLLED = 'provider = "netease-163"\n'


class Connected:
    """How many of `addresses` have signed in since `begin`, as the gateway's log tells."""

    def __init__(self, log: Path, addresses: Sequence[str]) -> None:
        self._log = log
        self._addresses = frozenset(addresses)
        self._read_bytes = 0
        self._found: set[str] = set()

    def begin(self) -> None:
        """Count from now on."""
        self.count()
        self._found.clear()

    def count(self) -> int:
        """Return how many there are."""
        with self._log.open("rb") as log:
            log.seek(self._read_bytes)
            lines = log.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        found = re.findall(
            r"mailbox\.connected mailbox=(\S+)", whole.decode("utf-8", "replace")
        )
        self._found |= self._addresses.intersection(found)
        return len(self._found)


@dataclass(frozen=True, slots=True)
class Place:
    """Everything that takes part."""

    gateway: Gateway
    dovecot: Dovecot
    helpdesk: Helpdesk
    connected: Connected
    addresses: Sequence[str]

    @property
    def pid(self) -> int:
        """The gateway's first process."""
        assert self.gateway.process is not None
        return self.gateway.process.pid


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mailboxes", type=int, default=2000)
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--without-junk", action="store_true")
    parser.add_argument("--polled", type=int, default=0)
    parser.add_argument("--broken", type=int, default=0)
    parser.add_argument("--restart", action="store_true")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # Dovecot inherits it
    with place(arguments) as here:
        table = Table(title=title(arguments), show_header=False)
        for name, figure in measure(here, arguments):
            table.add_row(name, figure)
            print(f"{time.strftime('%H:%M:%S')}  {name}: {figure}", flush=True)
        Console(width=100).print(table)


def title(arguments: argparse.Namespace) -> str:
    """Return what was measured."""
    where = "TLS" if arguments.tls else "plain on loopback"
    junk = "without junk folders" if arguments.without_junk else "each with a junk folder"
    polled = f", {arguments.polled:,} of them polled" if arguments.polled else ""
    broken = f", {arguments.broken} of them broken" if arguments.broken else ""
    return f"{arguments.mailboxes:,} mailboxes, {junk}, {where}{polled}{broken}"


def measure(here: Place, arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield the name and the figure of each line of the table."""
    sound = len(here.addresses)
    yield "all are watched after", f"{begin(here):.1f} s"
    yield "    CPU until then", f"{processes.cpu_seconds(here.pid):.1f} s"
    yield (
        f"CPU while idle, {arguments.seconds:.0f} s",
        f"{idle_percent(here, arguments.seconds):.2f} % of a core",
    )
    yield from hand_over(here, mails=arguments.mails, seconds=arguments.seconds)
    yield "memory, shared pages once (PSS)", f"{processes.held_bytes(here.pid) / 1e6:.0f} MB"
    yield "peak memory (RSS), all processes", f"{processes.peak_bytes(here.pid) / 1e6:.0f} MB"
    yield "threads of the first process", str(processes.threads(here.pid))
    if arguments.restart:
        yield f"all {sound:,} back after a restart", f"{restart(here):.1f} s"
        yield from hand_over(here, mails=arguments.mails, seconds=arguments.seconds)


def begin(here: Place) -> float:
    """Start the gateway; return after how many seconds every sound mailbox is watched."""
    begun = time.monotonic()
    here.gateway.start()
    wait_for_all(here)
    return time.monotonic() - begun


def wait_for_all(here: Place) -> None:
    """Return once every sound mailbox has signed in."""
    wait_until(
        lambda: here.connected.count() >= len(here.addresses),
        what=lambda: f"{len(here.addresses)} mailboxes, {here.connected.count()} signed in",
        seconds=COME_BACK_SECONDS,
    )


def idle_percent(here: Place, seconds: float) -> float:
    """Return the share of a core that is used while nothing arrives."""
    threading.Event().wait(SETTLE_SECONDS)
    before, begun = processes.cpu_seconds(here.pid), time.monotonic()
    threading.Event().wait(seconds)
    used = processes.cpu_seconds(here.pid) - before
    return used / (time.monotonic() - begun) * 100


def hand_over(here: Place, *, mails: int, seconds: float) -> Iterator[tuple[str, str]]:
    """Deliver `mails` within `seconds`; yield how long they took to the helpdesk."""
    cpu, begun_at = processes.cpu_seconds(here.pid), {}
    known = len(here.helpdesk.received)
    names: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def deliver() -> None:
        while name := names.get():
            address = random.choice(here.addresses)
            begun_at[name] = time.monotonic()
            here.dovecot.deliver_by_lmtp(address, letter(name, to=address))

    postmen = [threading.Thread(target=deliver) for _ in range(POSTMEN)]
    for postman in postmen:
        postman.start()
    begun = time.monotonic()
    for number in range(mails):
        due = begun + seconds * number / mails
        threading.Event().wait(max(0.0, due - time.monotonic()))
        names.put(f"{known + number}")
    for _ in postmen:
        names.put(None)
    for postman in postmen:
        postman.join()
    wait_until(
        lambda: len(arrivals(here, begun_at)) == mails,
        what=lambda: f"{mails} webhooks, there are {len(arrivals(here, begun_at))}",
        seconds=300,
    )
    waited = sorted(at - begun_at[name] for name, at in arrivals(here, begun_at).items())
    used = (processes.cpu_seconds(here.pid) - cpu) / (time.monotonic() - begun)
    yield f"{mails} mails to the helpdesk: p50", f"{waited[len(waited) // 2]:.3f} s"
    yield "    p99", f"{waited[int(len(waited) * 0.99)]:.3f} s"
    yield "    the slowest", f"{waited[-1]:.3f} s"
    yield "    CPU meanwhile", f"{used * 100:.1f} % of a core"


def arrivals(here: Place, names: dict[str, float]) -> dict[str, float]:
    """Return when each of these mails came to the helpdesk."""
    came = {
        one.payload["data"]["subject"]: one.at
        for one in here.helpdesk.of_type("message.received")
    }
    return {name: at for name, at in came.items() if name in names}


def letter(name: str, *, to: str) -> bytes:
    """Return a mail of about 4 KB."""
    head = f"From: Ann <ann@customer.example>\r\nTo: {to}\r\nSubject: {name}\r\n"
    line = "Where is my order? It should have been here two days ago.\r\n"
    return f"{head}Message-ID: <{name}@customer.example>\r\n\r\n{line * 60}".encode()


def restart(here: Place) -> float:
    """Stop Dovecot for a minute; return after how many seconds all are back."""
    here.dovecot.stop()
    threading.Event().wait(OUTAGE_SECONDS)
    here.connected.begin()
    here.dovecot.start()
    begun = time.monotonic()
    wait_for_all(here)
    return time.monotonic() - begun


@contextmanager
def place(arguments: argparse.Namespace) -> Iterator[Place]:
    """Set up servers and tenants; nothing is started but Dovecot."""
    with ExitStack() as ending:
        zone = ending.enter_context(Zone({}))
        helpdesk = Helpdesk()
        ending.callback(helpdesk.close)
        dovecot = Dovecot(more=MUCH_DOVECOT)
        ending.callback(dovecot.close)
        more = f'[dns]\nnameservers = ["{zone.address}"]\n'
        gateway = Gateway(more=more, is_cold=True)
        ending.callback(gateway.close)
        addresses = [f"box{number}@shop.example" for number in range(arguments.mailboxes)]
        dovecot.add_users(addresses, PASSWORD)
        dovecot.start()
        boxes = [
            mailbox_at(dovecot, one, arguments) + (POLLED if at < arguments.polled else "")
            for at, one in enumerate(addresses)
        ]
        if arguments.broken:
            silent = Silent(arguments.broken, PASSWORD)
            ending.callback(silent.close)
            boxes += [plain_mailbox(one, port=silent.port) for one in silent.addresses]
        apply(gateway, helpdesk, boxes)
        connected = Connected(gateway.home / "gateway.log", addresses)
        yield Place(gateway, dovecot, helpdesk, connected, addresses)


def mailbox_at(dovecot: Dovecot, address: str, arguments: argparse.Namespace) -> str:
    """Return a mailbox of a tenant file."""
    junk = "off" if arguments.without_junk else "route"
    if not arguments.tls:
        return plain_mailbox(address, port=dovecot.imap_port, junk=junk)
    port, ca_file = dovecot.imaps_port, f'ca_file = "{dovecot.ca_file}"'
    box = MAILBOX.format(address=address, port=port, security="tls", junk=junk)
    return f"{box}{ca_file}\n"


def plain_mailbox(address: str, *, port: int, junk: str = "off") -> str:
    """Return a mailbox of a tenant file, without TLS."""
    return MAILBOX.format(address=address, port=port, security="none", junk=junk)


def apply(gateway: Gateway, helpdesk: Helpdesk, boxes: Sequence[str]) -> None:
    """Spread the mailboxes over tenants."""
    tenants = -(-len(boxes) // MAILBOXES_A_TENANT)
    for number in range(tenants):
        head = TENANT.format(number=number, url=helpdesk.url)
        file = head + "".join(boxes[number::tenants])
        gateway.apply(file, code=PASSWORD, hook=SECRET)


if __name__ == "__main__":
    main()
