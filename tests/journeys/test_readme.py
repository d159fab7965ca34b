"""README's first ten minutes as written, with a local Postfix and Dovecot for the provider."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.dovecot import Dovecot
from tests.servers.need import need
from tests.servers.ports import free_ports, wait_until
from tests.servers.postfix import Postfix
from tests.servers.zone import Zone

pytestmark = pytest.mark.servers

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(
    r"(?:<!-- (?P<what>file|append|output of): (?P<name>[^\n]*?) -->\n)?```(?P<kind>\w+)\n"
    r"(?P<text>.*?)```",
    re.DOTALL,
)
LEFT_OUT = "..."  # lines that README does not show
CHANGES_EACH_TIME = (
    (re.compile(r"\b[0-9A-Z]{18}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "HASH"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b\d+\.\d s\b"), "SECONDS"),
    (re.compile(r"\bgw\d{6}\b"), "MONTH"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block, and the lines that are printed below it."""

    words: str
    output: tuple[str, ...]


class Newcomer:
    """Somebody who types what README says, in a directory of their own."""

    def __init__(self, home: Path, local: dict[str, str], zone: Zone) -> None:
        self.home = home
        self._local = local
        self._zone = zone
        self._served: subprocess.Popen[bytes] | None = None
        binary = home / "bin"
        binary.mkdir()
        (binary / "gateway").write_text(f'#!/bin/sh\nexec {sys.executable} -m gateway "$@"\n')
        (binary / "gateway").chmod(0o755)
        root = str(README.parent)
        path = f"{binary}:{os.environ['PATH']}"
        self._environment = os.environ | {"PATH": path, "PYTHONPATH": root}

    def read(self, text: str) -> str:
        """Return the text with the provider's hosts replaced by those of this machine."""
        for written, local in self._local.items():
            text = text.replace(written, local)
        return text

    def write(self, block: re.Match[str]) -> None:
        """Write or lengthen a file that README shows."""
        file = self.home / block["name"]
        before = file.read_text() if block["what"] == "append" else ""
        file.write_text(before + self.read(block["text"]))

    def type(self, command: Command) -> None:
        """Run a command, and look for what README says that it prints."""
        words = self.read(command.words)
        if words == "gateway serve":
            self._served = subprocess.Popen(
                ["gateway", "serve"],
                cwd=self.home,
                env=self._environment,
                stderr=subprocess.DEVNULL,
            )
            return
        if words.startswith("gateway mailbox list"):
            wait_until(lambda: "generic ok" in self._run(words), what=lambda: self._run(words))
        if words.startswith("gateway log search"):
            wait_until(lambda: "delivered" in self._run(words), what=lambda: self._run(words))
        printed = self._run(words)
        for line in command.output:
            assert plain(line) in printed, f"$ {words}\n{printed}\ndoes not print\n{line}"

    def publish(self) -> None:
        """Publish what README says to publish."""
        for one in json.loads(self._say("gateway domain records acme.example --json")):
            self._zone.publish(one["name"], one["type"], one["value"])

    def leave(self) -> None:
        """Stop what was started."""
        if self._served is not None:
            self._served.terminate()
            self._served.wait(30)

    def _run(self, words: str) -> str:
        return plain(self._say(words))

    def _say(self, words: str) -> str:
        done = subprocess.run(
            ["sh", "-c", words],
            cwd=self.home,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {words}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def newcomer(tmp_path: Path, zone: Zone) -> Iterator[Newcomer]:
    need("postfix", "saslpasswd2", "dovecot", "swaks", root=True)
    dovecot, (plain_port, web) = Dovecot(), free_ports(2)
    postfix = Postfix(lmtp_to=dovecot.lmtp_port)
    postfix.add_user("relay", "the password of the account that mail leaves by")
    postfix.start()
    dovecot.add_user("support@acme.example", "the password of the mailbox")
    dovecot.start()
    smtp = f'host = "localhost"\nca_file = "{postfix.ca_file}"\nport = {postfix.port}'
    imap = f'host = "localhost"\nca_file = "{dovecot.ca_file}"\nport = {dovecot.imaps_port}'
    someone = Newcomer(
        tmp_path,
        {
            'host = "smtp.acme.example"\nport = 587': smtp,
            'host = "imap.acme.example"\nport = 993': imap,
            "127.0.0.1:2525": f"127.0.0.1:{plain_port}",
            "127.0.0.1:8080": f"127.0.0.1:{web}",
            "# nameservers = []": f'nameservers = ["{zone.address}"]',
        },
        zone,
    )
    yield someone
    someone.leave()
    postfix.close()
    dovecot.close()


def commands_of(block: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        words, *output = part.splitlines()
        shown = (line for line in output if line.strip() not in ("", LEFT_OUT))
        yield Command(words, tuple(shown))


def plain(text: str) -> str:
    for pattern, word in CHANGES_EACH_TIME:
        text = pattern.sub(word, text)
    return text.strip()


def test_the_first_ten_minutes_work_as_written(newcomer: Newcomer) -> None:
    for block in BLOCK.finditer(README.read_text("utf-8")):
        if block["what"] in ("file", "append"):
            newcomer.write(block)
        elif block["kind"] == "console":
            for command in commands_of(block["text"]):
                newcomer.type(command)
                if command.words.startswith("gateway init"):
                    config = newcomer.home / "gateway.conf"
                    config.write_text(
                        newcomer.read(config.read_text()).replace(
                            '# address = "127.0.0.1:', 'address = "127.0.0.1:'
                        )
                    )
                if command.words.startswith("gateway apply"):
                    newcomer.publish()
