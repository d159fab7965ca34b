from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

from gateway.mail.trouble import Alert, TroubleChanges
from gateway.store import alerts, books, chains, queue
from gateway.store.capturing import set_capturing
from gateway.store.chains import KeptChain
from tests.cli.running import TENANT, Cli
from tests.store.values import NOON, outgoing


@contextmanager
def console(*answers: list[str]) -> Iterator[int]:
    """A /readyz that waits for the first of `answers`, then the second, then for nothing."""
    left = list(answers)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            missing = left.pop(0) if left else []
            self.send_response(503 if missing else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"waiting_for": missing}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_without_a_server_the_books_are_printed_all_the_same(cli: Cli) -> None:
    cli.write_store(
        queue.accept, outgoing("a@example.org", "b@example.org"), now=datetime.now(UTC)
    )
    status = cli.json("status")
    assert status["ready"] is False
    assert status["waiting_for"] == ["the server does not run"]
    assert status["books"]["out"] == {
        "accepted": 2, "delivered": 0, "failed": 0, "waiting": 2, "removed": 0, "difference": 0,
    }  # fmt: skip
    assert set(status["books"]) == {"out", "route", "hook", "sent", "in"}
    assert "next: gateway serve" in cli.say("status")


def test_waiting_ends_when_the_server_is_ready(cli: Cli) -> None:
    with console(["listener 587"], ["listener 587"]) as port:
        cli.write(
            "gateway.conf", f'[server]\nstate="state"\n[console]\naddress="127.0.0.1:{port}"'
        )
        assert cli.json("status", "--wait", "30")["ready"] is True
        assert cli.say("status").startswith("ready")


def test_a_capture_is_said_aloud_while_it_runs(cli: Cli) -> None:
    cli.write_store(set_capturing, on=True)
    cli.write_store(queue.accept, outgoing(), now=datetime.now(UTC))
    assert cli.json("status")["capture"] is False
    with console() as port:
        settings = f'[server]\nstate="state"\n[console]\naddress="127.0.0.1:{port}"'
        cli.write("gateway.conf", settings)
        status, told = cli.json("status"), cli.say("status")
    assert status["capture"] is True
    assert status["books"]["capture"]["waiting"] == 1
    assert told.splitlines()[1].startswith("CAPTURE: nothing leaves this machine.")
    assert "captured, not sent" in told


def test_waiting_in_vain_ends_with_what_is_missing(cli: Cli) -> None:
    said = cli.refused("status", "--wait", "1")
    assert said == "gateway: not ready after 1 seconds: the server does not run\n"


def test_alerts_that_wait_are_shown_with_what_was_said(cli: Cli) -> None:
    now = datetime.now(UTC)
    alert = Alert(
        message_id="<1@gw>", cause="store full", recipient="it@x.example", content=b"",
        queued_at=now,
    )  # fmt: skip
    cli.write_store(alerts.keep_changes, TroubleChanges(), [alert], now=now)
    cli.write_store(alerts.defer_alert, alert, reply="550 no", next_attempt_at=now)
    found = cli.json("status")["alerts"]
    assert (found["waiting"], found["sent"], found["failed"]) == (1, 0, 0)
    assert found["last_reply"] == "550 no"
    told = cli.say("status")
    assert "alerts: 1 mail not sent: 550 no" in told
    assert "gateway alerts test" in told


def test_books_that_do_not_balance_are_an_alert(cli: Cli) -> None:
    cli.write_store(books.add, "acme", "out.accepted", 1)
    done = cli.run("status", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["books"]["out"]["difference"] == 1
    assert "the books do not balance (out)" in done.stderr


def test_what_someone_has_to_look_at_is_named(cli: Cli) -> None:
    cli.apply(TENANT)
    cli.say("upstream", "pause", "acme", "own")
    (cli.home / "policies" / "inbound").mkdir()
    cli.write("policies/inbound/10-broken.sieve", "kepe;\n")
    told = cli.say("status")
    assert "paused: acme upstream own" in told
    assert "policy inbound/10-broken.sieve:1:1: there is no command 'kepe'" in told
    assert "gateway policy check" in told
    status = cli.json("status")
    assert status["paused"][0]["fix"] == "gateway upstream resume acme own"
    assert len(status["policies"]["errors"]) == 1
    assert "no good files were ever here: no mail is fetched" in told
    (broken,) = status["policies"]["broken"]
    assert (broken["chain"], broken["running"]) == ("inbound", None)


def test_what_runs_in_the_place_of_a_broken_chain_is_named(cli: Cli) -> None:
    cli.apply(TENANT)
    kept = KeptChain(
        tenant="acme", kind="outbound", version="0123456789abcdef", content="{}", kept_at=NOON
    )
    cli.write_store(chains.keep, kept)
    (cli.home / "policies" / "outbound").mkdir()
    cli.write("policies/outbound/10-broken.sieve", "kepe;\n")
    assert "the last good files run on (0123456789abcdef" in cli.say("status")
    (broken,) = cli.json("status")["policies"]["broken"]
    assert broken["running"] == "0123456789abcdef"
