"""Faults of a script: collected with their place, shown so that an admin can act on them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from difflib import get_close_matches

from gateway.sieve.interface import Diagnostic

MAX_ERRORS = 20  # a file
MAX_SENTENCE = 600  # characters; a name in it may be as long as a file
MAX_LINE = 1000  # characters; a longer source line is not shown
MAX_WORD = 64  # characters; nothing like a longer one is looked for


def render(diagnostic: Diagnostic) -> str:
    """Return the diagnostic as an admin reads it: place, sentence, source line and a mark."""
    place = f"{diagnostic.file}:{diagnostic.line}:{diagnostic.column}"
    head = f"{place}: {diagnostic.severity}: {diagnostic.message}"
    if not diagnostic.source_line:
        return head
    before = diagnostic.source_line[: diagnostic.column - 1]
    indent = "".join("\t" if character == "\t" else " " for character in before)
    mark = "^" * max(1, diagnostic.width)
    return f"{head}\n{diagnostic.line:4d} | {diagnostic.source_line}\n     | {indent}{mark}"


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known word, or an empty string."""
    if len(word) > MAX_WORD:
        return ""
    found = get_close_matches(word.lower(), [*known], n=1, cutoff=0.6)
    return f"; did you mean '{found[0]}'?" if found else ""


class Source:
    """The text of one script, and the faults found in it."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.errors: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.end_line: int | None = None  # where every message's chain ends, if it surely does
        self.is_guarded = False  # included where only the first message of a thread comes
        self.guarded_includes: set[int] = set()  # where it includes others like that
        self._line_starts = [0]
        at = text.find("\n")
        while at >= 0:
            self._line_starts.append(at + 1)
            at = text.find("\n", at + 1)

    def line_at(self, at: int) -> int:
        """Return the line, from 1, of the character at `at`."""
        return bisect_right(self._line_starts, at)

    def suggest(self, word: str, known: Iterable[str]) -> str:
        """Return `suggest` as long as errors are recorded: it takes its time."""
        return suggest(word, known) if len(self.errors) < MAX_ERRORS else ""

    def error(self, at: int, message: str, *, width: int = 1) -> None:
        """Record an error; those after the twentieth are left out."""
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(self.diagnostic(at, message, width=width))

    def take(self, errors: Iterable[Diagnostic]) -> None:
        """Take over errors of another file, up to the twentieth."""
        self.errors.extend(errors)
        del self.errors[MAX_ERRORS:]

    def warn(self, at: int, message: str, *, width: int = 1) -> None:
        """Record a warning."""
        if len(self.warnings) < MAX_ERRORS:
            found = self.diagnostic(at, message, width=width, severity="warning")
            self.warnings.append(found)

    def diagnostic(
        self, at: int, message: str, *, width: int = 1, severity: str = "error"
    ) -> Diagnostic:
        """Return a diagnostic for the `width` characters at `at`, cut at the line's end."""
        line = self.line_at(at)
        start = self._line_starts[line - 1]
        end = self.text.find("\n", start)
        source_line = self.text[start : end if end >= 0 else len(self.text)].rstrip("\r")
        if len(source_line) > MAX_LINE:
            source_line = ""
        return Diagnostic(
            file=self.file,
            line=line,
            column=at - start + 1,
            message=message[:MAX_SENTENCE],
            source_line=source_line,
            width=max(1, min(width, len(source_line) - (at - start))),
            severity=severity,
        )
