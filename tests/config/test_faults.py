from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigError, load_settings
from gateway.config.faults import find_faults
from gateway.config.settings import Settings


def test_what_is_left_out_has_no_faults() -> None:
    assert find_faults(Settings(path=Path("gateway.conf"))) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[server]\nhostname = "a b"', "[server] hostname: write a domain name in ASCII"),
        ('[server]\nhostname = "gäteway.example"', "[server] hostname: write a domain"),
        ("[server]\nworkers = 65", "[server] workers: write a number from 0 to 64"),
        ('[storage]\nurl = "postgresql://u@h/n"', "[storage] url: PostgreSQL is not in this"),
        ('[tls]\nkey = "a"', "[tls] certificate and key go together: give both or neither"),
        ('[log]\nformat = "jsn"', "there is no format 'jsn'; did you mean 'json'?"),
        (
            '[submission]\nmax_bytes_at_once = "1MB"',
            "[submission] max_bytes_at_once: write max_message_bytes or more",
        ),
        ('[spam]\nkind = "scores"', "[spam] kind: there is no kind 'scores'; did you mean"),
        ('[virus]\ntexts = ["clean"]', "[virus] texts: 'clean' has not the form VALUE=TEXT"),
        (
            "[routes]\nretry_waits = []",
            "[routes] retry_waits: give one wait or more",
        ),
        ('[mailboxes]\npoll_every = "0s"', "[mailboxes] poll_every: write a duration that is"),
        ('[delivery]\ngive_up_after = "0s"', "[delivery] give_up_after: write a duration that"),
        ("[submission]\nidle_timeout_seconds = 0", "idle_timeout_seconds: write 1 or more"),
        ('[console]\npublic_url = "http://"', "[console] public_url: write it whole"),
        ('[console]\naddress = "127.0.0.1:²"', "[console] address: write an IP address and"),
        (
            '[[submission.listeners]]\naddress = "127.0.0.1:2525"\n' * 2,
            "[[submission.listeners]] address '127.0.0.1:2525': two listeners have it",
        ),
        ('[models.x]\nurl = "x"\nmodel = "x"', "[models.x] url: write it whole"),
        ("[alerts]\nport = 99999", "[alerts] port: write a number from 1 to 65535"),
        ("[limits]\nnesting = 5000", "[limits] nesting: write at most 100"),
        (f"[limits]\nregex_bytes = {10**30}", "[limits] regex_bytes: write less"),
        ("[limits]\nredirects = 0", "[limits] redirects: write 1 or more"),
        ('[limits]\nchain_time = "1h"', "[limits] chain_time: write a duration from"),
        ('[console]\nsupport = "us"', "[console] support: 'us' is not an address"),
        ('[policies]\non_error = "drop"', '[policies] on_error: write "hold" or "keep"'),
        ('[alerts]\nto = ["a@b.example"]', "to, from and host go together: give all three"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "gateway.conf"
    path.write_text(f"{text}\n")
    with pytest.raises(ConfigError) as refused:
        load_settings(path)
    said = str(refused.value)
    assert said.startswith(f"{path}: [")
    assert sentence in said


def test_the_mark_in_front_of_a_file_is_no_text(tmp_path: Path) -> None:
    """Some editors write it; the same file without it is right."""
    path = tmp_path / "gateway.conf"
    path.write_text("[server]\nworkers = 3\n", encoding="utf-8-sig")
    assert load_settings(path).server.workers == 3
