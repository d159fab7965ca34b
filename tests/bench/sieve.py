"""The policy language beside Pigeonhole's: 20 rules, 7 KB messages, one core, one run.

    .venv/bin/python -m tests.bench.sieve [--messages 2000] [--rounds 3]

Ours is a whole chain of five files, traced, as it judges fetched mail; the other is
`sieve-filter` (Debian: dovecot-sieve) over a Maildir with the same rules in one script.
Figures are medians of the rounds, in processor time.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gateway.mail.inbound import Authenticity
from gateway.mail.message import Edit
from gateway.mail.tenant import Route, Tenant
from gateway.policy.asked import Context
from gateway.policy.chain import Chain, ChainFile, run_chain
from gateway.policy.files import Texts
from gateway.sieve.script import compile_script
from tests.servers.sieve_test import CONFIGURATION

REQUIRE = 'require ["fileinto", "imap4flags", "variables", "relational", "body", "envelope"'
RULES = (
    'if header :contains "Subject" ["viagra", "casino"] { addflag "spam"; }',
    'if header :matches "Subject" "*[Ticket #*]*" { set "ticket" "${2}"; addflag "known"; }',
    'if address :domain :is "From" "partner.example" { fileinto "partners"; stop; }',
    'if address :is "To" ["sales@acme.example", "shop@acme.example"] { addflag "sales"; }',
    'if header :is "X-Priority" "1" { addflag "urgent"; }',
    'if allof (header :contains "Subject" "invoice", size :over 100K) { addflag "invoice"; }',
    'if header :contains "List-Id" "" { addflag "list"; }',
    'if anyof (exists "X-Loop", header :is "Precedence" "bulk") { addflag "bulk"; }',
    'if envelope :domain "from" "bounce.example" { fileinto "bounces"; stop; }',
    'if header :value "ge" :comparator "i;ascii-numeric" "X-Score" "8" { addflag "spam"; }',
    'if header :count "gt" :comparator "i;ascii-numeric" "Received" "30" { discard; }',
    'if not header :contains "Content-Type" "text" { addflag "attachment"; }',
    'if address :localpart "From" ["mailer-daemon", "root"] { fileinto "bounces"; stop; }',
    'if header :matches "From" "*<*@gmail.example>" { addflag "freemail"; }',
    'if header :contains ["Subject", "Comments"] ["return", "refund"] { addflag "returns"; }',
    'if size :over 5M { addflag "large"; }',
    'if header :is "X-Mailer" "Outlook" { addflag "outlook"; } else { addflag "other"; }',
    'if string :is "${ticket}" "4711" { fileinto "escalated"; stop; }',
    'if header :contains "Reply-To" "@" { addflag "reply-to"; }',
    'if hasflag :contains "spam" { fileinto "junk"; stop; }',
)
BODY_RULE = 'if body :text :contains ["unsubscribe", "lottery"] { addflag "newsletter"; }'
FILES = 5
KILOBYTES = 7
ASKED = {"without a body test": 3000, "with a body test": 1500}
LETTER = (
    "Return-Path: <ann@customer.example>\r\n"
    "Received: from mx.customer.example by mx.acme.example; Tue, 24 Nov 2026 12:00:00 +0000\r\n"
    "Received: from laptop by mx.customer.example; Tue, 24 Nov 2026 11:59:58 +0000\r\n"
    "From: Ann Lee <ann@customer.example>\r\nTo: Support <support@acme.example>\r\n"
    "Subject: =?utf-8?q?R=C3=BCckgabe?= [Ticket #{number}]\r\n"
    "Date: Tue, 24 Nov 2026 11:59:57 +0000\r\nMessage-ID: <{number}@customer.example>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nX-Mailer: Mail\r\n\r\n"
)


def main() -> None:
    """Measure both, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    letters = [_letter(number) for number in range(options.messages)]
    table = Table("20 rules, 7 KB", "gateway /s", "asked /s", "sieve-filter /s", "compile ms")
    with tempfile.TemporaryDirectory() as name:
        filtering = _Filtering(Path(name), letters) if shutil.which("sieve-filter") else None
        for title, rules in (
            ("without a body test", RULES),
            ("with a body test", (*RULES[:-1], BODY_RULE, RULES[-1])),
        ):
            ours = len(letters) / _median(partial(_judge, rules, letters), options.rounds)
            other = "not installed"
            if filtering is not None:
                seconds = _median(partial(filtering.run, rules), options.rounds)
                other = f"{len(letters) / seconds:,.0f}"
            compiling = _median(partial(_compile_seconds, rules), 9) * 1000
            row = [title, f"{ours:,.0f}", f"{ASKED[title]:,}", other, f"{compiling:.1f}"]
            table.add_row(*row)
    Console().print(table)


def _letter(number: int) -> bytes:
    head = LETTER.format(number=number)
    line = "This is a line of text as customers write it, with nothing special in it.\r\n"
    return (head + line * ((KILOBYTES * 1024 - len(head)) // len(line))).encode()


def _median(measure: Callable[[], float], rounds: int) -> float:
    return statistics.median(measure() for _ in range(rounds))


def _source(rules: tuple[str, ...]) -> str:
    return REQUIRE + ', "comparator-i;ascii-numeric"];\n' + "\n".join(rules) + "\n"


def _tenant() -> Tenant:
    names = ("partners", "bounces", "escalated", "junk")
    return Tenant(
        id="acme", routes={one: Route(name=one, type="smtp", host="h") for one in names}
    )


def _compile_seconds(rules: tuple[str, ...]) -> float:
    texts, source = Texts(Path(), _tenant()), _source(rules)
    started = time.process_time()
    compile_script(source, name="20.sieve", loader=texts)
    return time.process_time() - started


def _judge(rules: tuple[str, ...], letters: list[bytes]) -> float:
    """Return the seconds in which a chain of several files judges every letter."""
    tenant = _tenant()
    texts = Texts(Path(), tenant)
    pieces = [rules[at::FILES] for at in range(FILES)]
    names = [f"inbound/{at}0.sieve" for at in range(FILES)]
    files = tuple(
        ChainFile(path=name, script=compile_script(_source(piece), name=name, loader=texts))
        for name, piece in zip(names, pieces, strict=True)
    )
    chain = Chain(kind="inbound", files=files, version="bench")
    context = Context(
        tenant=tenant,
        authenticity=Authenticity(),
        now=datetime.now(UTC),
        mail_from="ann@customer.example",
        rcpt_to=("support@acme.example",),
        edits=(Edit("X-Gateway-Conversation", "c1"), Edit("X-Gateway-Sequence", "1")),
    )
    started = time.process_time()
    for letter in letters:
        run_chain(chain, letter, context)
    return time.process_time() - started


class _Filtering:
    """Pigeonhole's `sieve-filter` over a Maildir of the letters, as a dry run."""

    def __init__(self, home: Path, letters: list[bytes]) -> None:
        home.chmod(0o777)
        self._home = home
        for folder in ("cur", "new", "tmp"):
            (home / "Maildir" / folder).mkdir(parents=True)
        for number, letter in enumerate(letters):
            (home / "Maildir" / "cur" / f"{number}.bench:2,").write_bytes(letter)
        self._config = home / "dovecot.conf"
        self._config.write_text(CONFIGURATION.format(home=home))
        subprocess.run(["chown", "-R", "nobody:nogroup", str(home)], check=True)

    def run(self, rules: tuple[str, ...]) -> float:
        """Return the processor time of one pass, its start and its reading included."""
        script = self._home / "rules.sieve"
        script.write_text(_source(rules))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            ["sieve-filter", "-c", str(self._config), "-C", str(script), "INBOX"],
            check=True,
            capture_output=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
