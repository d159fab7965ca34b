"""`sieve-test` (Debian: dovecot-sieve): what Pigeonhole makes of a script and a mail."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """
base_dir = {home}/run
state_dir = {home}/run
mail_home = {home}
mail_location = maildir:{home}/Maildir
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 0
first_valid_gid = 0
log_path = /dev/stderr
plugin {{
  sieve_extensions = +vacation-seconds +editheader
  sieve_max_redirects = 10
}}
"""
PROGRAM = "sieve-test"
SECONDS = 60.0
DISCARD = ("discard", "")
_ACTION = re.compile(
    r"^ \* (?:(?P<store>store message in folder): (?P<folder>.*)"
    r"|(?P<redirect>redirect message to): <(?P<address>.*)>"
    r"|(?P<vacation>send vacation message):|(?P<reject>reject message with reason): (?P<why>.*)"
    r"|(?P<notify>send notification with method) .*|(?P<discard>discard))$"
)
_FLAGS = re.compile(r"^ +\+ add IMAP flags: (.*)$")


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect as both programs can name it."""

    kind: str  # store | redirect | vacation | reject | notify
    target: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the script compiled (a crash counts as no), ran to its end, and its effects."""

    compiles: bool
    failed: bool
    effects: frozenset[Effect]
    said: str = ""


class SieveTest:
    """Runs it for a script and a mail; the files of one run are overwritten by the next."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="sieve-test-"))
        self.home.chmod(0o777)  # it drops privileges, and saves what it compiled
        self._config = self.home / "dovecot.conf"
        self._config.write_text(CONFIGURATION.format(home=self.home))

    def run(self, script: str, mail: bytes, *, sender: str, recipient: str) -> Verdict:
        """Return what it makes of them."""
        path, letter = self.home / "script.sieve", self.home / "mail.eml"
        path.write_text(script, "utf-8", newline="")
        letter.write_bytes(mail)
        envelope = ["-f", sender, "-r", recipient, "-a", recipient]
        done = subprocess.run(
            [PROGRAM, "-C", "-c", str(self._config), *envelope, str(path), str(letter)],
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        return Verdict(
            compiles="failed to compile" not in said and "Panic:" not in said,
            failed="final result: success" not in said,
            effects=parse_effects(done.stdout.decode("utf-8", "replace")),
            said=said,
        )

    def close(self) -> None:
        """Remove its files."""
        shutil.rmtree(self.home, ignore_errors=True)


def parse_effects(printed: str) -> frozenset[Effect]:
    """Return what it printed as effects: the implicit keep is one, a discard is none.

    Of two into one folder the flags of the last count, as for its own store.
    """
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    last = ("", "")
    for line in printed.splitlines():
        if action := _ACTION.match(line):
            last = _effect(action)
            found[last] = ()
        elif flags := _FLAGS.match(line):
            found[last] = tuple(sorted(word.lower() for word in flags[1].split()))
    found.pop(DISCARD, None)
    return frozenset(Effect(kind, target, flags) for (kind, target), flags in found.items())


def _effect(action: re.Match[str]) -> tuple[str, str]:
    if action["store"]:
        folder = action["folder"]
        return "store", "INBOX" if folder.upper() == "INBOX" else folder
    if action["redirect"]:
        return "redirect", action["address"]
    kinds = ("vacation", "reject", "notify", "discard")
    return next(kind for kind in kinds if action[kind]), ""
