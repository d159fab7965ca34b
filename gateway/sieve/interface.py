"""What a script is given and what it gives back: plain values and one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Where a filter in front of us writes its verdict (RFC 5235); only trusted headers.

    `header` may be followed by `:` and a regular expression, whose first group counts. `kind`:
    `score` is a number up to `maximum`, `length` counts characters, `text` is looked up.
    """

    header: str
    kind: str = "score"  # score | length | text
    maximum: float | None = None
    maximum_header: str = ""  # where the maximum stands, like `header`
    texts: tuple[tuple[int, str], ...] = ()  # value and the text that means it


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one script and one chain; passing one is a run-time error (policy-language §6).

    Below the bounds stand the few settings of extensions.
    """

    script_bytes: int = 1024 * 1024
    nesting: int = 32
    include_depth: int = 10
    include_files: int = 100
    string_bytes: int = 64 * 1024
    variables: int = 128
    variable_bytes: int = 8 * 1024
    captures: int = 32
    steps: int = 100_000
    chain_steps: int = 1_000_000
    chain_seconds: float = 2.0  # of a processor
    mime_parts: int = 500
    mime_depth: int = 30
    body_text_bytes: int = 2 * 1024 * 1024
    redirects: int = 10
    actions: int = 32
    notifications: int = 10
    added_header_bytes: int = 2048
    added_headers: int = 50
    regex_bytes: int = 1024 * 1024
    trace_characters: int = 256 * 1024  # of a chain; what ran after that is not in the trace
    separators: str = "+"  # between local part and detail (RFC 5233)
    vacation_min_seconds: int = 60
    vacation_max_seconds: int = 365 * 86400
    unaddable_headers: tuple[str, ...] = (
        "received",
        "auto-submitted",
        "authentication-results",
    )
    undeletable_headers: tuple[str, ...] = (
        "received",
        "auto-submitted",
        "authentication-results",
    )
    protected_prefixes: tuple[str, ...] = ("x-gateway-",)
    spam: Scores | None = None
    virus: Scores | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One fault of a script: where, what, how to mend it."""

    file: str
    line: int  # from 1
    column: int  # from 1
    message: str
    source_line: str = ""
    width: int = 1  # how many characters the mark covers
    severity: str = "error"  # error | warning


Step = tuple[str, int, str]
"""One line of the trace: file, line, and the command or test that ran with what it compared."""


class CompileError(Exception):
    """The script does not compile; `diagnostics` has every fault found, at most 20."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(f"{d.file}:{d.line}: {d.message}" for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


class Outside(Protocol):
    """What a script may ask of the world; every answer is at hand, none waits."""

    @property
    def now(self) -> datetime:
        """The time of this run, aware, in the zone that date tests use."""

    @property
    def chain(self) -> str:
        """`inbound` or `outbound`."""

    @property
    def thread(self) -> str:
        """`new` or `reply`."""

    def envelope(self, part: str) -> Sequence[str]:
        """The values of `from`, `to`, `orig_to` or `auth`; a null return path is ''."""

    def auth(self, method: str) -> Sequence[tuple[str, str]]:
        """(result, domain) pairs of `spf`, `dkim`, `dmarc`, `arc`, `iprev` (RFC 8601)."""

    def scanned(self, name: str) -> Sequence[str] | None:
        """The believed values of a filter's header field; None: all that the message has."""

    def limit(self, *, handle: str, key: str, count: int, seconds: int) -> bool:
        """Whether `key` was seen more than `count` times in the window, this time included."""

    def duplicate(self, *, handle: str, key: str, seconds: int, last: bool) -> bool:
        """Whether `key` was seen within the window (RFC 7352)."""

    def mailbox_exists(self, name: str) -> bool:
        """Whether a route (or folder) of that name exists (RFC 5490)."""

    def list_contains(self, name: str, value: str) -> bool:
        """Whether the list `name` has an entry that covers `value` (RFC 6134)."""

    def list_entries(self, name: str) -> Sequence[str]:
        """Every entry of the list `name` (RFC 6134), in order; none where there is no such."""

    def environment(self, item: str) -> str | None:
        """The value of an environment item (RFC 5183), None when it is unknown."""

    def variable(self, name: str) -> str | None:
        """A read-only variable such as `message.subject`; None when nobody defines it."""


@dataclass(frozen=True, slots=True)
class Included:
    """A script that another one includes: where it stands, as people know it, and its text."""

    file: str
    text: str


class Loader(Protocol):
    """What the compiler may read; None means that it does not exist.

    Raises CompileError for what is there and is no text.
    """

    def include(self, location: str, name: str) -> Included | None:
        """A script to include; location is `personal` or `global`."""

    def text(self, path: str) -> str | None:
        """The text behind a string `file:PATH`."""

    def names(self, kind: str) -> Sequence[str] | None:
        """Known names of `route`, `agent`, `list`, `notify`, `sender`, to check; None: any.

        Of `template` and `include` they serve suggestions alone.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderEdit:
    """One change of the header (RFC 5293): `value` None deletes the field at `index`.

    `index` counts the fields of that name from 1 in the message as it was before the edit.
    """

    name: str
    value: str | None
    index: int = 0
    last: bool = False


class Action(NamedTuple):
    """One effect asked for.

    kind: keep, fileinto, route, redirect, reject, ereject, discard, vacation, hold, agent,
    notify, setenvelope, setfrom, setreplyto, footer. `edits` and `flags` are as at that moment.

    target and arguments, by kind; an argument that was left out is None, () or False:
    keep            -                       mailbox: "INBOX" where fileinto asked for it
    fileinto        mailbox                 copy, create: bool
    route           route                   copy: bool, fields: tuple of "name=value"
    redirect        address                 copy: bool
    reject, ereject -                       reason: str
    vacation        -                       reason, subject, from: str | None, seconds: int,
                                            addresses: tuple, mime: bool, handle: str (explicit,
                                            or a hash of the arguments, RFC 5230 §4.2)
    hold            -                       reason: str, seconds: int | None, then: str | None,
                                            notify: tuple
    agent           agent name or guidance  copy: bool, mode: str, confidence: int, knowledge:
                                            tuple, fallback, from, subject, handle, reply_to:
                                            str | None, seconds: int | None
    notify          method URI              message, from, importance: str | None,
                                            options: tuple
    setenvelope     address                 part: "from" | "to"
    setfrom         address                 name: str | None
    setreplyto      address                 -
    footer          -                       text: str, html: str | None
    """

    kind: str
    line: int
    target: str = ""
    flags: tuple[str, ...] = ()
    edits: tuple[HeaderEdit, ...] = ()
    arguments: Mapping[str, Any] = MappingProxyType({})
    implicit: bool = False  # the implicit keep (RFC 5228 §2.10.2)
    file: str = ""
    content: bytes | None = None  # the message where a script replaced it, below its edits


class Passed(NamedTuple):
    """What one script hands to the next in a chain: never plain variables."""

    edits: tuple[HeaderEdit, ...] = ()
    flags: tuple[str, ...] = ()
    globals: Mapping[str, str] = MappingProxyType({})
    strangers: frozenset[str] = frozenset()  # which of these hold text of the message
    actions: tuple[Action, ...] = ()  # of earlier scripts: for conflicts and doubles
    steps: int = 0
    seconds: float = 0.0  # that the scripts before took
    traced: int = 0  # characters in the trace so far
    content: bytes | None = None  # the message where a script replaced it (RFC 5703), else None
    message: Any = None  # as it was read, to share


class Result(NamedTuple):
    """What one script asked for.

    `keeps`: the implicit keep is in force at its end, or it ran `keep`. `accepted`: it ended
    the chain by `accept`. `error`: a run-time error with line; then `actions` is empty.
    """

    actions: tuple[Action, ...]
    keeps: bool
    accepted: bool
    passed: Passed
    error: Diagnostic | None = None
    timed_out: bool = False  # the error is that there was no time left
    trace: Sequence[Step] = ()
