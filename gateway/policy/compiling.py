"""Texts -> a compiled chain: from the files of an admin, or from what was kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Protocol

from gateway.policy.chain import Chain, ChainFile
from gateway.sieve.interface import CompileError, Diagnostic, Limits, Loader
from gateway.sieve.language import language_of
from gateway.sieve.script import compile_script


class ChainTexts(Loader, Protocol):
    """Where the texts of a chain come from; it remembers which ones were read."""

    def script(self, shown: str) -> str:
        """The text of a file of the chain; raises CompileError when it cannot be read."""

    def lists(self) -> dict[str, frozenset[str]]:
        """The entries of every list, by its name."""

    def all_read(self) -> dict[str, str]:
        """Every text read so far, by its path."""


def compile_chain(
    texts: ChainTexts, shown: Sequence[str], kind: str, *, limits: Limits, strict: bool
) -> Chain:
    """Return the chain of the files `shown`, in order; raises CompileError with all faults."""
    files: list[ChainFile] = []
    faults: list[Diagnostic] = []
    for path in shown:
        try:
            script = compile_script(
                texts.script(path),
                name=path,
                loader=texts,
                limits=limits,
                strict=strict,
                language=language_of(kind),
            )
        except CompileError as error:
            faults.extend(error.diagnostics)
        else:
            files.append(ChainFile(path=path, script=script))
    if faults:
        raise CompileError(faults)
    lists = texts.lists()
    read = texts.all_read()
    return Chain(
        kind=kind,
        files=tuple(files),
        version=version_of(read),
        lists=lists,
        texts=read,
        warnings=(
            *(one for file in files for one in file.script.warnings),
            *_never_running(files),
        ),
    )


def _never_running(files: Sequence[ChainFile]) -> Iterator[Diagnostic]:
    """Yield a warning for each file behind one that ends the chain for every message."""
    end = ""
    for file in files:
        if end:
            sentence = f"this file never runs: {end} ends the chain for every message"
            yield Diagnostic(
                file=file.path,
                line=1,
                column=1,
                message=f"{sentence}; put it in front, or put a test around that line",
                severity="warning",
            )
        elif file.script.end_line is not None and not file.is_shadow:
            end = f"{file.path}:{file.script.end_line}"


def read_list(text: str) -> frozenset[str]:
    """Return the entries of a list, folded; '#' begins a comment."""
    entries = (line.partition("#")[0].strip().casefold() for line in text.splitlines())
    return frozenset(entry for entry in entries if entry)


def version_of(texts: Mapping[str, str]) -> str:
    """Return the hash of all texts with their paths."""
    digest = sha256()
    for path, text in sorted(texts.items()):
        for part in (path, text):
            octets = part.encode()
            digest.update(len(octets).to_bytes(8, "big") + octets)
    return digest.hexdigest()[:16]
