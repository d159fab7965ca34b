"""Finding, ordering and loading a tenant's chain."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.mail.tenant import Route, Sender, Tenant
from gateway.policy.files import Chains, chain_paths, load_chain
from gateway.sieve.interface import CompileError, Limits

ACME = Tenant(
    id="acme", route="desk", routes={"desk": Route(name="desk", type="smtp", host="desk")}
)
SENDER = Sender(address="a@acme.example")
SHIPPED = Path(__file__).parents[2] / "policies"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def write(directory: Path, name: str, text: str = "keep;\n") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def names(directory: Path) -> list[str]:
    paths = chain_paths(directory, "acme", "inbound")
    return [path.relative_to(directory).as_posix() for path in paths]


def test_files_run_before_then_own_then_after_each_by_name(tmp_path: Path) -> None:
    for name in (
        "inbound-after/10-z",
        "inbound/20-b",
        "inbound/10-a",
        "tenants/acme/inbound/5",
    ):
        write(tmp_path, f"{name}.sieve")
    write(tmp_path, "tenants/other/inbound/1.sieve")
    assert names(tmp_path) == [
        "inbound/10-a.sieve",
        "inbound/20-b.sieve",
        "tenants/acme/inbound/5.sieve",
        "inbound-after/10-z.sieve",
    ]


@pytest.mark.parametrize("name", ["_a.sieve", ".a.sieve", "a.sieve.off", "a.txt", "a"])
def test_a_file_that_is_switched_off_or_no_policy_is_left_out(
    tmp_path: Path, name: str
) -> None:
    write(tmp_path, f"inbound/{name}")
    assert names(tmp_path) == []


def test_a_missing_directory_is_an_empty_chain(tmp_path: Path) -> None:
    assert load_chain(tmp_path / "none", ACME, "inbound").files == ()


def test_loading_tells_the_faults_of_all_files_and_is_all_or_nothing(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", "kep;\n")
    write(tmp_path, "inbound/2.sieve")
    write(tmp_path, "inbound-after/3.sieve", 'if header "x" {\n')
    with pytest.raises(CompileError) as raised:
        load_chain(tmp_path, ACME, "inbound")
    files = {one.file for one in raised.value.diagnostics}
    assert files == {"inbound/1.sieve", "inbound-after/3.sieve"}


@pytest.mark.parametrize(
    "name", ["inbound/1.sieve", "lib/a.sieve", "templates/a.txt", "lists/a.txt"]
)
def test_a_file_that_is_not_utf8_is_a_fault_with_its_name(tmp_path: Path, name: str) -> None:
    write(tmp_path, "inbound/1.sieve", 'include :global "a"; vacation "file:templates/a.txt";')
    for text in ("lib/a.sieve", "templates/a.txt"):
        write(tmp_path, text)
    write(tmp_path, name).write_bytes(b"keep; # \xff\n")
    with pytest.raises(CompileError, match="not UTF-8") as caught:
        load_chain(tmp_path, ACME, "inbound")
    assert [one.file for one in caught.value.diagnostics] == [name]


def test_the_version_changes_with_any_text_that_was_read(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve")
    first = load_chain(tmp_path, ACME, "inbound").version
    assert load_chain(tmp_path, ACME, "inbound").version == first
    write(tmp_path, "lists/vip.txt", "ann@example.org\n")
    second = load_chain(tmp_path, ACME, "inbound").version
    write(tmp_path, "inbound/1.sieve", "keep; \n")
    assert len({first, second, load_chain(tmp_path, ACME, "inbound").version}) == 3


def test_a_template_outside_of_the_directory_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, "secret.txt", "secret")
    write(tmp_path, "policies/inbound/1.sieve", 'vacation "file:../secret.txt";\n')
    with pytest.raises(CompileError):
        load_chain(tmp_path / "policies", ACME, "inbound")


def test_a_route_nobody_has_is_a_fault_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", 'fileinto "dsek";\n')
    with pytest.raises(CompileError, match="desk"):
        load_chain(tmp_path, ACME, "inbound")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ('include :global "comon";', "common"),
        ('include "onw";', "own"),
        ('vacation "file:templates/foter.txt";', "templates/footer.txt"),
    ],
)
def test_a_script_or_text_nobody_has_is_a_fault_with_the_nearest_name(
    tmp_path: Path, text: str, nearest: str
) -> None:
    for name in ("lib/common.sieve", "tenants/acme/lib/own.sieve", "templates/footer.txt"):
        write(tmp_path, name)
    write(tmp_path, "inbound/1.sieve", text)
    with pytest.raises(CompileError, match=f"did you mean '{nearest}'"):
        load_chain(tmp_path, ACME, "inbound")


def test_a_file_that_can_never_run_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", "\ndiscard;\n")
    write(tmp_path, "inbound/0.shadow.sieve", "discard;\n")
    write(tmp_path, "inbound-after/2.sieve")
    (warning,) = load_chain(tmp_path, ACME, "inbound").warnings
    assert (warning.file, warning.severity) == ("inbound-after/2.sieve", "warning")
    assert "never runs: inbound/1.sieve:2 ends the chain" in warning.message


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("inbound/1.sieve", "nowhere"),
        ("inbound", "inbound"),  # leads to itself
        ("tenants/acme/inbound", "../../file"),
        ("lists/vip.txt", "nowhere"),
        ("lists/vip.txt", "../large"),
        ("lists/vip.txt", "vip.txt"),
    ],
)
def test_what_is_there_and_cannot_be_read_is_an_error_and_not_left_out(
    tmp_path: Path, link: str, target: str
) -> None:
    write(tmp_path, "file")
    write(tmp_path, "large", "a\n" * 600_000)
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to(target)
    with pytest.raises(CompileError, match="cannot be read") as caught:
        load_chain(tmp_path, ACME, "inbound")
    assert caught.value.diagnostics[0].file == link


@pytest.mark.parametrize(
    "name", [b"inbound/\xff.sieve", b"lists/\xff.txt"], ids=["script", "list"]
)
def test_a_name_that_is_no_text_is_an_error(tmp_path: Path, name: bytes) -> None:
    write(tmp_path, os.fsdecode(name))
    with pytest.raises(CompileError, match="name is not UTF-8") as caught:
        load_chain(tmp_path, ACME, "inbound")
    assert caught.value.diagnostics[0].file == name.decode("utf-8", "replace")


def test_what_an_editor_leaves_beside_a_list_is_none(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/.#vip.txt").symlink_to("ann@host.1234")
    assert load_chain(tmp_path, ACME, "inbound").lists == {}


def test_the_mark_that_some_editors_write_in_front_is_no_text(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", '\ufeffinclude :global "a";')
    write(tmp_path, "lib/a.sieve", "\ufeff")
    assert len(load_chain(tmp_path, ACME, "inbound").files) == 1


def test_what_no_inbound_chain_carries_out_does_not_compile(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", 'footer "x";')
    with pytest.raises(CompileError, match="changes"):
        load_chain(tmp_path, ACME, "inbound")


def test_a_change_is_seen_after_a_second_and_not_looked_for_before(tmp_path: Path) -> None:
    clock = Clock()
    write(tmp_path, "inbound/1.sieve")
    chains = Chains(tmp_path, limits=Limits(), clock=clock, report=lambda *_: None)
    first = chains.chain_for(ACME, "inbound")
    write(tmp_path, "inbound/2.sieve")
    assert chains.chain_for(ACME, "inbound") is first
    clock.seconds += 1.0
    assert len(chains.chain_for(ACME, "inbound").files) == 2


@pytest.mark.parametrize("folder", ["templates", "texts/deep"])
def test_a_text_in_any_folder_is_looked_for(tmp_path: Path, folder: str) -> None:
    clock = Clock()
    write(tmp_path, "inbound/1.sieve", f'vacation "file:{folder}/a.txt";\n')
    text = write(tmp_path, f"{folder}/a.txt", "one")
    chains = Chains(tmp_path, limits=Limits(), clock=clock, report=lambda *_: None)
    first = chains.chain_for(ACME, "inbound")
    assert chains.known_chain(ACME, "inbound") is first
    before = text.stat()
    other = write(tmp_path, "tests/a.txt", "two")  # of the same size, and then the same time
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    clock.seconds += 1.0
    assert chains.known_chain(ACME, "inbound") is None
    assert chains.chain_for(ACME, "inbound") is first
    other.rename(text)
    clock.seconds += 1.0
    assert chains.chain_for(ACME, "inbound").version != first.version


def test_a_change_in_a_folder_that_is_a_link_is_seen(tmp_path: Path) -> None:
    """As a container mounts them; one that leads back up is walked once."""
    clock = Clock()
    for version in ("one", "two"):
        write(tmp_path, f"policies/..{version}/inbound/{version}.sieve")
    data = tmp_path / "policies/..data"
    data.symlink_to("..one")
    (tmp_path / "policies/inbound").symlink_to("..data/inbound")
    (tmp_path / "policies/..one/inbound/up").symlink_to("..")
    chains = Chains(tmp_path / "policies", limits=Limits(), clock=clock, report=lambda *_: None)
    first = chains.chain_for(ACME, "inbound")
    data.unlink()
    data.symlink_to("..two")
    clock.seconds += 1.0
    assert chains.chain_for(ACME, "inbound").version != first.version


def test_files_that_did_not_change_are_current_and_those_that_did_are_not(
    tmp_path: Path,
) -> None:
    clock = Clock()
    write(tmp_path, "inbound/1.sieve")
    chains = Chains(tmp_path, limits=Limits(), clock=clock, report=lambda *_: None)
    assert not chains.is_current(ACME, "inbound")
    chains.chain_for(ACME, "inbound")
    clock.seconds += 1.0
    assert chains.is_current(ACME, "inbound")
    for other in (replace(ACME, routes={}), replace(ACME, senders={"a@acme.example": SENDER})):
        assert not chains.is_current(other, "inbound")
    write(tmp_path, "inbound/2.sieve")
    clock.seconds += 1.0
    assert not chains.is_current(ACME, "inbound")


def test_a_broken_edit_keeps_the_last_good_chain_and_is_reported_once(tmp_path: Path) -> None:
    clock, reports = Clock(), []
    write(tmp_path, "inbound/1.sieve")
    chains = Chains(
        tmp_path, limits=Limits(), clock=clock, report=lambda *told: reports.append(told)
    )
    good = chains.chain_for(ACME, "inbound")
    write(tmp_path, "inbound/1.sieve", "broken\n")
    for _ in range(3):
        clock.seconds += 1.0
        assert chains.chain_for(ACME, "inbound") is good
    assert [told[:2] for told in reports] == [(ACME, "inbound")]
    assert list(chains.faults()) == [("acme", "inbound")]
    write(tmp_path, "inbound/1.sieve", "keep;\n")
    clock.seconds += 1.0
    chains.chain_for(ACME, "inbound")
    assert not chains.faults()


def test_a_directory_that_is_gone_takes_no_policy_with_it(tmp_path: Path) -> None:
    """As of a disk that is not mounted; not even where the server starts without it."""
    clock, home = Clock(), tmp_path / "policies"
    write(home, "inbound/1.sieve")
    chains = Chains(home, limits=Limits(), clock=clock, report=lambda *_: None)
    good = chains.chain_for(ACME, "inbound")
    assert not chains.chain_for(ACME, "outbound").files
    home.rename(tmp_path / "away")
    clock.seconds += 1.0
    later = Chains(
        home, limits=Limits(), clock=clock, report=lambda *_: None, recall=lambda *_: good
    )
    assert chains.chain_for(ACME, "inbound") is later.chain_for(ACME, "inbound") is good
    assert not chains.chain_for(ACME, "outbound").files
    assert list(chains.faults()) == [("acme", "inbound")]
    (tmp_path / "away").rename(home)
    clock.seconds += 1.0
    chains.chain_for(ACME, "inbound")
    assert not chains.faults()


def test_a_tenant_that_never_had_a_good_chain_has_none(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", "broken\n")
    chains = Chains(tmp_path, limits=Limits(), clock=Clock(), report=lambda *_: None)
    with pytest.raises(CompileError):
        chains.chain_for(ACME, "inbound")


def test_a_new_route_of_the_tenant_counts_at_once(tmp_path: Path) -> None:
    write(tmp_path, "inbound/1.sieve", 'fileinto "desk";\n')
    chains = Chains(tmp_path, limits=Limits(), clock=Clock(), report=lambda *_: None)
    with pytest.raises(CompileError):
        chains.chain_for(Tenant(id="acme"), "inbound")
    assert chains.chain_for(ACME, "inbound").files


@pytest.mark.parametrize("kind", ["inbound", "outbound"])
def test_the_shipped_chain_compiles(kind: str) -> None:
    assert load_chain(SHIPPED, ACME, kind).kind == kind


def test_no_shipped_file_that_is_switched_on_answers_a_customer() -> None:
    texts = [path.read_text() for path in SHIPPED.rglob("*.sieve")]
    assert texts
    words = ("vacation", "reject", "agent", "redirect", "notify ")
    assert not any(word in text for text in texts for word in words)
