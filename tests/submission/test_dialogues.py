"""Golden dialogues: what a mail operator would read in a trace.

`L:` names the listener's security, `C:` is sent, `S:` must come, `*` stands for anything,
`T:` is the TLS handshake, `X:` the end of the connection.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.mail.tenant import Security

if TYPE_CHECKING:
    from tests.submission.conftest import Client, Stage

DIALOGUES = sorted((Path(__file__).parents[1] / "golden" / "dialogues").glob("*.txt"))


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_the_dialogue_goes_as_it_is_written(stage: Stage, path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
    assert lines[0].startswith("L: ")
    client = stage.connect(Security(lines[0][3:]))
    for line in lines[1:]:
        play(stage, client, line)


def play(stage: Stage, client: Client, line: str) -> None:
    text = line[3:]
    match line[0]:
        case "C":
            client.send(text.encode() + b"\r\n")
        case "S":
            wanted = ".*".join(re.escape(part) for part in text.split("*"))
            said = client.read_line()
            assert re.fullmatch(wanted, said), f"{line!r} was wanted, {said!r} came"
        case "T":
            client.start_tls(stage.trust)
        case "X":
            assert client.read_line() == ""
        case _:
            raise ValueError(line)


def test_there_are_dialogues() -> None:
    assert len(DIALOGUES) >= 4
