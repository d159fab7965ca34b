"""Finds, orders and loads a tenant's chain, all or nothing (policy-language §1).

    inbound/  tenants/NAME/inbound/  inbound-after/      and the same for outbound
    lib/  tenants/NAME/lib/          include :global, include :personal
    lists/NAME.txt                   one entry a line
    templates/                       texts named by "file:..."

A file `*.shadow.sieve` is run and traced, what it asks for is not done: a trial on real mail.

A change is picked up without a restart, looked for at most once a second. A broken edit leaves
the last good chain in place and is reported once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.mail.tenant import Tenant
from gateway.policy.chain import Chain
from gateway.policy.compiling import compile_chain, read_list
from gateway.sieve.charsets import as_text
from gateway.sieve.interface import CompileError, Diagnostic, Included, Limits

CHECK_SECONDS = 0.75  # so that a change runs within a second
MAX_TEXT_BYTES = 1024 * 1024
TESTS = "tests"  # no chain reads them
ENCODING = "utf-8-sig"  # some editors write a mark in front
GONE = "the directory is not there; make it, empty for no policies"
UNREAD = (
    "the list cannot be read: it is a file inside of this directory, of at most"
    f" {MAX_TEXT_BYTES} bytes"
)

Report = Callable[[Tenant, str, CompileError, Chain | None], None]
"""Told once of a chain that does not compile: tenant, kind, every fault, what runs instead."""
Keep = Callable[[Tenant, Chain], None]
Recall = Callable[[Tenant, str], Chain | None]


def chain_paths(directory: Path, tenant: str, kind: str) -> list[Path]:
    """Return the files of a tenant's chain in their order: before, own, after, by name.

    Raises CompileError for a folder that cannot be read and a name that is no text.
    """
    folders = (kind, f"tenants/{tenant}/{kind}", f"{kind}-after")
    return [path for folder in folders for path in _scripts(directory, folder)]


def load_chain(
    directory: Path,
    tenant: Tenant,
    kind: str,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    strict: bool = False,
) -> Chain:
    """Return the compiled chain; raises CompileError with the faults of all files.

    A directory that is not there is an empty chain: everything goes to the default route.
    (`Chains` takes that for one that never had files.)
    """
    shown = [
        path.relative_to(directory).as_posix()
        for path in chain_paths(directory, tenant.id, kind)
    ]
    texts = Texts(directory, tenant)
    return compile_chain(texts, shown, kind, limits=limits, strict=strict)


def find_included(
    read: Callable[[str], str | None], tenant: str, location: str, name: str
) -> Included | None:
    """Return a script to include, `read` by its path; None for a name with a path in it."""
    if name.startswith(".") or "/" in name or "\x00" in name:
        return None
    own = f"tenants/{tenant}/lib" if location == "personal" else "lib"
    for path in (f"{own}/{name}.sieve", f"{own}/{name}"):
        if (text := read(path)) is not None:
            return Included(path, text)
    return None


class Chains:
    """The chains of all tenants, kept compiled and up to date.

    The last good chain outlives this process where `keep` is told of each new one and
    `recall` gives it back: a broken edit then stops nothing, not even after a restart.
    """

    def __init__(
        self,
        directory: Path,
        *,
        limits: Limits,
        clock: Callable[[], float],
        report: Report,
        keep: Keep = lambda tenant, chain: None,
        recall: Recall = lambda tenant, kind: None,
    ) -> None:
        """`clock` counts seconds, never backwards; `report` is told of what is broken."""
        self._directory = directory
        self._limits = limits
        self._clock = clock
        self._report = report
        self._keep = keep
        self._recall = recall
        self._looked_at = -CHECK_SECONDS
        self._seen: tuple[object, ...] = ()
        self._kept: dict[tuple[str, str], _Kept] = {}

    def chain_for(self, tenant: Tenant, kind: str) -> Chain:
        """Return the newest chain that compiles; raises CompileError when none ever did."""
        is_current, kept = self.is_current(tenant, kind), self._kept.get((tenant.id, kind))
        if kept is None or not is_current:
            kept = self._load(tenant, kind, kept=kept)
            self._kept[tenant.id, kind] = kept
        if kept.chain is None:
            raise kept.error or CompileError([])
        return kept.chain

    def known_chain(self, tenant: Tenant, kind: str) -> Chain | None:
        """Return what `chain_for` would where no file has to be looked at, else None."""
        is_due = self._clock() - self._looked_at >= CHECK_SECONDS
        kept = self._kept.get((tenant.id, kind))
        if is_due or kept is None or not self._is_newest(kept, tenant):
            return None
        return kept.chain

    def has_chain(self, tenant: Tenant, kind: str) -> bool:
        """Whether a chain of that kind compiled when it was last asked for."""
        kept = self._kept.get((tenant.id, kind))
        return kept is not None and kept.chain is not None

    def is_current(self, tenant: Tenant, kind: str) -> bool:
        """Whether `chain_for` has nothing to compile."""
        self._look()
        kept = self._kept.get((tenant.id, kind))
        return kept is not None and self._is_newest(kept, tenant)

    def faults(self) -> dict[tuple[str, str], CompileError]:
        """Return (tenant, kind) of each chain whose newest files do not compile, and why."""
        return {key: kept.error for key, kept in self._kept.items() if kept.error}

    def _is_newest(self, kept: _Kept, tenant: Tenant) -> bool:
        if kept.seen is not self._seen:
            return False
        return kept.tenant is tenant or _names(kept.tenant) == _names(tenant)

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_at >= CHECK_SECONDS:
            self._looked_at = now
            seen = tuple(_stamps(self._directory))
            if seen != self._seen:
                self._seen = seen

    def _load(self, tenant: Tenant, kind: str, *, kept: _Kept | None) -> _Kept:
        try:
            chain = load_chain(self._directory, tenant, kind, limits=self._limits)
            if not self._directory.is_dir():
                self._check_nothing_is_lost(kept.chain if kept else self._recall(tenant, kind))
        except CompileError as error:
            last_good = kept.chain if kept else self._recall(tenant, kind)
            if kept is None or str(kept.error) != str(error):
                self._report(tenant, kind, error, last_good)
            return _Kept(seen=self._seen, tenant=tenant, chain=last_good, error=error)
        if kept is None or kept.chain is None or kept.chain.version != chain.version:
            self._keep(tenant, chain)
        return _Kept(seen=self._seen, tenant=tenant, chain=chain)

    def _check_nothing_is_lost(self, before: Chain | None) -> None:
        """Raise CompileError where a directory that is not there had files before."""
        if before is not None and before.files:
            raise _unreadable(str(self._directory), GONE)


def _names(tenant: Tenant) -> tuple[str, ...]:
    """Return what constants of a policy are checked against, beside the files."""
    return (*tenant.routes, "|", *tenant.senders, "|", *tenant.told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    seen: tuple[object, ...]
    tenant: Tenant  # as it was
    chain: Chain | None = None
    error: CompileError | None = None


@dataclass(slots=True)
class Texts:
    """What the compiler may read of the policy directory (`sieve.interface.Loader`).

    Every text that was read counts in the version of the chain.
    """

    directory: Path
    tenant: Tenant
    _read: dict[str, str] = field(default_factory=dict)

    def include(self, location: str, name: str) -> Included | None:
        """Return a script of `lib/`, the tenant's own for `personal` (RFC 6609 §3.2)."""
        return find_included(self.text, self.tenant.id, location, name)

    def text(self, path: str) -> str | None:
        """Return a text inside of the directory, None when there is none to read.

        Raises CompileError for one that is not UTF-8: it would reach a customer broken.
        """
        try:
            root = self.directory.resolve()
            found = (root / path).resolve()
            if not found.is_relative_to(root) or found.stat().st_size > MAX_TEXT_BYTES:
                return None
            text = found.read_text(encoding=ENCODING)
        except UnicodeDecodeError as error:
            raise _not_utf8(path, error) from error
        except (OSError, ValueError, RuntimeError):  # the last for a link that leads to itself
            return None
        self._read[path] = text
        return text

    def names(self, kind: str) -> Sequence[str] | None:
        """Return the names that constants are checked against; None: not checked."""
        if kind == "route":
            return [*self.tenant.routes, "INBOX"]
        if kind == "sender":  # one that covers a domain, or none at all: any name will do
            exact = not any(one.startswith("*") for one in self.tenant.senders)
            return list(self.tenant.senders) if self.tenant.senders and exact else None
        if kind == "notify":
            return ["postmaster", "owner", *self.tenant.told]
        if kind == "list":
            return self._lists()
        if kind == "template":
            found = self.directory.glob("templates/**/*")
            return sorted(path.relative_to(self.directory).as_posix() for path in found)
        if kind == "include":
            folders = ("lib", f"tenants/{self.tenant.id}/lib")
            return sorted(
                path.stem for one in folders for path in self.directory.glob(f"{one}/*.sieve")
            )
        return None

    def script(self, shown: str) -> str:
        """Return the text of a chain's file; raises CompileError when it cannot be read."""
        try:
            text = (self.directory / shown).read_text(encoding=ENCODING)
        except OSError as error:
            raise _unreadable(shown, f"the file cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise _not_utf8(shown, error) from error
        self._read[shown] = text
        return text

    def lists(self) -> dict[str, frozenset[str]]:
        """Return the entries of each list; raises CompileError where one cannot be read."""
        found: dict[str, frozenset[str]] = {}
        for name in self._lists():
            _check_name(f"lists/{name}.txt")
            if (text := self.text(f"lists/{name}.txt")) is None:
                raise _unreadable(f"lists/{name}.txt", UNREAD)
            found[name] = read_list(text)
        return found

    def all_read(self) -> dict[str, str]:
        """Return every text that was read so far, by its path."""
        return dict(self._read)

    def _lists(self) -> list[str]:
        found = (path.stem for path in self.directory.glob("lists/*.txt"))
        return sorted(name for name in found if not name.startswith("."))  # of an editor


def _scripts(directory: Path, folder: str) -> list[Path]:
    """Return the scripts of a folder; a link to nothing is one, which cannot be read."""
    try:
        found = [one for one in os.scandir(directory / folder) if _is_script(one.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, f"the folder cannot be read: {error.strerror}") from error
    names = [one.name for one in found if one.is_file() or one.is_symlink()]
    for name in names:
        _check_name(f"{folder}/{name}")
    return [directory / folder / name for name in sorted(names, key=os.fsencode)]


def _check_name(shown: str) -> None:
    """Raise CompileError for a name that no log and no database can hold."""
    if (text := as_text(shown)) != shown:
        raise _unreadable(text, "the file's name is not UTF-8; give it another one")


def _is_script(name: str) -> bool:
    return name.endswith(".sieve") and not name.startswith(("_", "."))


def _unreadable(shown: str, sentence: str) -> CompileError:
    return CompileError([Diagnostic(file=shown, line=1, column=1, message=sentence)])


def _not_utf8(shown: str, error: UnicodeDecodeError) -> CompileError:
    return _unreadable(shown, f"the file is not UTF-8 text (byte {error.start})")


def _stamps(directory: Path) -> Iterator[tuple[object, ...]]:
    """Yield what changes with a file, of every one that a chain may read, in a fixed order.

    A file that took the place of another may have the time and size of that one. A folder may
    be a link, as those are that a container mounts.
    """
    linked: set[str] = set()
    for root, folders, names in os.walk(directory, followlinks=True):
        skipped = TESTS if root == str(directory) else ""
        folders[:] = [
            one
            for one in sorted(folders)
            if not one.startswith(".") and one != skipped and _is_new(f"{root}/{one}", linked)
        ]
        for name in sorted(names):
            path = f"{root}/{name}"
            with suppress(OSError):  # gone between the look and the touch
                found = os.stat(path)  # noqa: PTH116 - thousands of files, once a second
                yield path, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _is_new(folder: str, linked: set[str]) -> bool:
    """Whether to look into a folder: where a link leads to only once, for it may lead back."""
    if not os.path.islink(folder):  # noqa: PTH114 - as above
        return True
    target = os.path.realpath(folder)
    if target in linked:
        return False
    linked.add(target)
    return True
