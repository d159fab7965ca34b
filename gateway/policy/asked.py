"""What a running chain may ask, answered from values at hand (pure).

Limits and duplicates are asked of a snapshot and noted in memory; what was noted is recorded
in the transaction that stores the Plan, so a message that is judged again counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from importlib.metadata import version
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.mail.inbound import Authenticity
from gateway.mail.message import Edit, Message, parse_message
from gateway.mail.plan import Done
from gateway.mail.tenant import Tenant

Count = Callable[[str, str, str, int], int]
"""Returns how often (kind, handle, key) was marked in the last so many seconds.

kind is `limit` or `duplicate`.
"""


def nothing_marked(kind: str, handle: str, key: str, seconds: int) -> int:
    """Count as where no policy ever marked anything."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """One limit or duplicate that a chain asked for, to be recorded with its Plan."""

    kind: str  # limit | duplicate
    handle: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of a message beside its bytes."""

    tenant: Tenant
    authenticity: Authenticity
    now: datetime
    mail_from: str = ""  # a null return path is empty
    rcpt_to: tuple[str, ...] = ()
    route: str | None = None  # the default one, where it came to; None: the tenant's
    chain: str = "inbound"  # inbound | outbound
    thread: str = "new"  # new | reply
    conversation: str = ""
    hostname: str = ""
    edits: tuple[
        Edit, ...
    ] = ()  # made before the chain: ids mapped back, strange marks removed
    flags: tuple[str, ...] = ()  # of files that ran before: of a message that was released
    globals: tuple[tuple[str, str], ...] = ()  # likewise: the variables that pass on
    done: tuple[Done, ...] = ()  # likewise: it counts with what the files behind ask for
    count: Count = nothing_marked


@cache
def _version() -> str:
    return version("mail-gateway")


@dataclass(kw_only=True)
class Asked:
    """One run's answers (`sieve.interface.Outside`), and what they must leave behind."""

    context: Context
    content: bytes  # as the chain sees it
    lists: Mapping[str, frozenset[str]]
    noted: list[Noted] = field(default_factory=list)

    @cached_property
    def message(self) -> Message:
        """The message, its header taken apart once a policy asks for something in it."""
        return parse_message(self.content)

    @property
    def now(self) -> datetime:
        """The time of this run in the tenant's zone."""
        try:
            return self.context.now.astimezone(ZoneInfo(self.context.tenant.timezone))
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a tenant file may name any
            return self.context.now

    @property
    def chain(self) -> str:
        """`inbound` or `outbound`."""
        return self.context.chain

    @property
    def thread(self) -> str:
        """`new` or `reply`."""
        return self.context.thread

    def envelope(self, part: str) -> Sequence[str]:
        """The envelope as far as it is known (RFC 5228 §5.4)."""
        match part.lower():
            case "from":
                return (self.context.mail_from,)
            case "to" | "orig_to":
                return self.context.rcpt_to
        return ()

    def auth(self, method: str) -> Sequence[tuple[str, str]]:
        """The results of one method; `none` when it was not looked at (RFC 8601 §2.7)."""
        results = self.context.authenticity.results
        found = [(one.result, one.domain) for one in results if one.method == method.lower()]
        return found or [("none", "")]

    def scanned(self, name: str) -> Sequence[str]:
        """What filters in front of us said in that field, as far as they are believed."""
        said = self.context.authenticity.scanned
        return [value for of, value in said if of == name.lower()]

    def limit(self, *, handle: str, key: str, count: int, seconds: int) -> bool:
        """Whether the key was seen more than `count` times, this time included."""
        mark = Noted(kind="limit", handle=_distinct(handle), key=_distinct(key))
        before = self.context.count("limit", mark.handle, mark.key, seconds)
        before += self.noted.count(mark)
        self.noted.append(mark)
        return before + 1 > count

    def duplicate(self, *, handle: str, key: str, seconds: int, last: bool) -> bool:
        """Whether an earlier message had the key; only `last` lengthens the window.

        What this message asked before says nothing: all its tests agree (RFC 7352 §3).
        """
        mark = Noted(kind="duplicate", handle=_distinct(handle), key=_distinct(key))
        seen = self.context.count("duplicate", mark.handle, mark.key, seconds) > 0
        if (last or not seen) and mark not in self.noted:
            self.noted.append(mark)
        return seen

    def mailbox_exists(self, name: str) -> bool:
        """Whether there is a route of that name; INBOX is the default one (RFC 5490 §3.1)."""
        return name in self.context.tenant.routes or name.upper() == "INBOX"

    def list_contains(self, name: str, value: str) -> bool:
        """Whether the list has the value, its address without detail, or its `@domain`."""
        entries = self.lists.get(name, frozenset())
        folded = value.strip().casefold()
        local, at, domain = folded.rpartition("@")
        base = f"{local.split('+', 1)[0]}@{domain}"
        return bool({folded, base, f"@{domain}"} & entries) if at else folded in entries

    def list_entries(self, name: str) -> Sequence[str]:
        """Every entry of the list, by the alphabet."""
        return sorted(self.lists.get(name, frozenset()))

    def environment(self, item: str) -> str | None:
        """What RFC 5183 §4 names and we know."""
        known = {
            "name": "mail gateway",
            "version": _version(),
            "domain": self.context.hostname.partition(".")[2],
            "host": self.context.hostname,
            "location": "MS" if self.context.chain == "inbound" else "MTA",
            "phase": "post" if self.context.chain == "inbound" else "during",
            "vnd.gateway.tenant": self.context.tenant.id,
        }
        return known.get(item.lower()) or None

    def variable(self, name: str) -> str | None:
        """The read-only variables of policy-language §4; None when nobody defines it."""
        match name.lower():
            case "message.subject":
                return self.message.text("Subject")
            case "message.from":
                return self._author[1]
            case "message.from_name":
                return self._author[0] or self._author[1]
            case "message.id":
                return self.message.message_id
            case "tenant.name":
                return self.context.tenant.name or self.context.tenant.id
            case "conversation.id":
                return self.context.conversation
        return None

    @cached_property
    def _author(self) -> tuple[str, str]:
        return next(iter(self.message.addresses("From")), ("", ""))


def _distinct(key: str) -> str:
    """Return a key as a database takes it: what is no text in a mail still tells keys apart."""
    return key.encode("utf-8", "backslashreplace").decode()
