from __future__ import annotations

import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from gateway.cli import commands
from tests.cli.running import Cli


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["quue", "list"], "No such command 'quue'. Did you mean 'queue'?"),
        (["queue", "lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["queue", "list", "--tenat", "x"], "No such option: --tenat"),
        (["tenant", "show"], "Missing argument 'TENANT'."),
        (["status", "--wait", "9" * 15], "Invalid value for '--wait'"),
    ],
)
def test_a_command_that_is_none_is_told_in_one_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert commands.run(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"gateway: {sentence}")
    assert said.err.count("\n") == 1


def test_help_names_every_noun_and_its_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["--help"]) == 0
    shown = capsys.readouterr().out
    for noun in commands.NOUNS:
        assert noun in shown
        assert commands.run([noun, "--help"]) == 0
        listed = capsys.readouterr().out
        assert all(verb in listed for verb in commands.verbs_of(noun))


def test_help_is_whole_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERMINAL_WIDTH", "40")
    for words in (["mailbox", "connect"], ["queue"], [], ["alerts", "test"]):
        assert commands.run([*words, "--help"]) == 0
        shown = capsys.readouterr().out
        assert "…" not in shown
        assert "..." not in shown.replace("[ARGS]...", "")
    assert commands.run(["mailbox", "connect", "--help"]) == 0
    assert "--client-secret-file FILE" in capsys.readouterr().out


def test_the_release_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("gateway ")


def test_what_is_no_text_in_a_mail_can_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subject in Latin-1 without saying so; an output in UTF-8 takes no half of it."""
    monkeypatch.chdir(tmp_path)
    Path("latin.eml").write_bytes(b"From: a@x.example\r\nSubject: Gr\xfc\xdfe\r\n\r\n")
    Path("a.sieve").write_text('if header :contains "Subject" "gr" { keep; }')
    for extra in ([], ["--json", "--chain", "outbound"]):
        shown = TextIOWrapper(BytesIO(), encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", shown)
        words = ["policy", "test", "--script", "a.sieve", *extra, "latin.eml"]
        assert commands.run(words) == 0
        shown.seek(0)
        assert "Gr??e" in shown.read()


def test_a_disk_that_is_full_is_told_in_words() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "provider", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "gateway: no space left on device\n"


def test_a_verb_does_not_wait_for_the_imports_of_others() -> None:
    words = "import sys; from gateway.cli import commands; commands.run(['log', '--help']);"
    done = subprocess.run(
        [sys.executable, "-c", f"{words} print('gateway.sieve' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("False\n")


def test_every_verb_of_a_noun_takes_config_and_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for noun in commands.NOUNS:
        for verb in commands.verbs_of(noun):
            assert commands.run([noun, verb, "--help"]) == 0
            shown = capsys.readouterr().out
            assert "--config" in shown, (noun, verb)
            assert "--json" in shown, (noun, verb)


def test_without_a_configuration_the_next_step_is_named(bare: Cli) -> None:
    said = bare.refused("queue", "list")
    assert "gateway init writes one" in said


def test_a_configuration_that_is_named_is_the_one_used(cli: Cli, tmp_path: Path) -> None:
    other = tmp_path / "other.conf"
    other.write_text('[server]\nstate = "elsewhere"\n')
    assert cli.json("tenant", "list", "--config", "other.conf") == []
    assert (tmp_path / "elsewhere" / "gateway.db").exists()
    assert not (tmp_path / "state").exists()
    done = cli.run("tenant", "list", env={"GATEWAY_CONFIG": str(tmp_path / "absent.conf")})
    assert done.returncode == 1
    assert done.stderr == (
        f"gateway: {tmp_path / 'absent.conf'}: cannot be read: No such file or directory\n"
    )


def test_a_store_that_cannot_be_used_is_told_in_one_sentence(cli: Cli) -> None:
    (cli.home / "state").mkdir()
    cli.write("state/gateway.db", "this is not a database, and never was one" * 100)
    said = cli.refused("tenant", "list")
    assert "state/gateway.db: cannot be opened" in said
    assert said.count("\n") == 1


def test_a_fault_of_ours_is_named_without_its_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise ValueError("geheim")
    except ValueError as error:
        commands.tell_fault(ValueError, error, error.__traceback__)
    said = capsys.readouterr().err
    assert "ValueError at test_commands.py:" in said
    assert "geheim" not in said
