"""`gateway upstream add` against a real Postfix, by options and as a dialogue."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from tests.servers.gateway import Gateway
from tests.servers.postfix import Postfix

pytestmark = pytest.mark.servers

PASSWORD = "the-upstream-password"
SECONDS = 60.0
Answer = str | Callable[[str], str]


def options(gateway: Gateway, postfix: Postfix, *, password: str = PASSWORD) -> list[str]:
    file = gateway.home / "password"
    file.write_text(password)
    return [
        "--host", "localhost", "--port", str(postfix.port), "--security", "starttls",
        "--ca-file", str(postfix.ca_file), "--sender-name", "Acme Support",
        "--from", "support@acme.example", "--username", "relay",
        "--password-file", str(file),
    ]  # fmt: skip


def test_a_right_account_is_saved_with_sender_domain_and_keys(
    gateway: Gateway, postfix: Postfix
) -> None:
    gateway.run("tenant", "add", "acme")
    added = gateway.json("upstream", "add", "acme", *options(gateway, postfix))
    assert (added["ok"], added["name"]) == (True, "own")
    exported = gateway.json("export", "acme")
    assert exported["senders"] == {
        "support@acme.example": {"name": "Acme Support", "upstream": "own"}
    }
    assert list(exported["domains"]) == ["acme.example"]
    assert exported["upstreams"]["own"]["username"] == "relay"
    names = [one["name"] for one in gateway.json("domain", "records", "acme.example")]
    assert sum("._domainkey." in name for name in names) == 2
    assert gateway.json("upstream", "test", "acme", "own")["ok"]
    again = gateway.run("upstream", "add", "acme", *options(gateway, postfix), check=False)
    assert "--name gives this one another" in again.stderr


def test_a_wrong_password_is_told_and_nothing_is_saved(
    gateway: Gateway, postfix: Postfix
) -> None:
    gateway.run("tenant", "add", "acme")
    words = options(gateway, postfix, password="a-wrong-password")
    done = gateway.run("upstream", "add", "acme", *words, check=False)
    assert done.returncode == 1
    assert "was not saved" in done.stderr
    assert "wrong-secret" in done.stdout
    assert "a-wrong-password" not in done.stdout + done.stderr
    exported = gateway.json("export", "acme")
    assert not {"upstreams", "senders", "domains"} & set(exported)


def test_the_dialogue_asks_proposes_and_never_shows_the_password(
    gateway: Gateway, postfix: Postfix
) -> None:
    gateway.apply('tenant = "acme"\n[upstreams.own]\nhost = "smtp.acme.example"\n')
    said = converse(
        gateway,
        ["upstream", "add", "acme", "--ca-file", str(postfix.ca_file)],
        [
            ("Provider", ""),
            ("Name, as there is own already [own-2]", ""),
            ("Host", "localhost"),
            ("Port [587]", str(postfix.port)),
            ("Security [starttls]", "ssl"),
            ("did you mean tls", "starttls"),
            ("Sender name", "Acme Support"),
            ("Sender address", "support@acme.example"),
            ("User name [support@acme.example]", "relay"),
            ("Password", PASSWORD),
        ],
    )
    assert "acme own-2: saved, support@acme.example sends by it" in said
    assert PASSWORD not in said
    assert gateway.json("upstream", "test", "acme", "own-2")["ok"]


def converse(gateway: Gateway, words: list[str], answers: Sequence[tuple[str, Answer]]) -> str:
    """Run a verb at a terminal; give each answer once its question is there.

    An answer may be found in what was said before.
    """
    ours, theirs = pty.openpty()
    environment = os.environ | {"GATEWAY_CONFIG": str(gateway.config)}
    command = [sys.executable, "-m", "gateway", *words]
    with subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        try:
            said = _answer(ours, answers)
            assert process.wait(SECONDS) == 0, said
        finally:
            process.kill()
    os.close(ours)
    return said


def _answer(terminal: int, answers: Sequence[tuple[str, Answer]]) -> str:
    said, at = "", 0
    for question, answer in answers:
        while (found := said.find(question, at)) < 0 or not said.endswith(": "):
            more = _read(terminal)
            assert more, f"no '{question}' in: {said}"
            said += more
        at = found + len(question)
        given = answer if isinstance(answer, str) else answer(said)
        os.write(terminal, f"{given}\n".encode())
    while more := _read(terminal):
        said += more
    return said


def _read(terminal: int) -> str:
    if not select.select([terminal], [], [], SECONDS)[0]:
        return ""
    try:
        return os.read(terminal, 4096).decode("utf-8", "replace")
    except OSError:  # the other end is closed
        return ""
