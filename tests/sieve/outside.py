"""An outside and a loader for scripts under test: what they say is what the test gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.sieve.interface import Included, Limits, Passed, Result
from gateway.sieve.script import compile_script

LETTER = (
    b"From: Ann Lee <ann@customer.example>\r\n"
    b"To: support+de@acme.example, second@acme.example\r\n"
    b"Subject: =?utf-8?q?R=C3=BCckgabe?= of my lamp\r\n"
    b"Message-ID: <1@customer.example>\r\n"
    b"Date: Tue, 1 Jul 2025 10:30:00 +0200\r\n"
    b"\r\n"
    b"Where do I send it?\r\n"
)


@dataclass
class World:
    """Both protocols; nothing is known unless it is given."""

    now: datetime = datetime(2025, 7, 1, 12, 0, tzinfo=UTC)
    chain: str = "inbound"
    thread: str = "new"
    envelopes: dict[str, list[str]] = field(
        default_factory=lambda: {
            "from": ["ann@customer.example"],
            "to": ["support@acme.example"],
        }
    )
    proven: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    boxes: set[str] = field(default_factory=set)
    lists: dict[str, set[str]] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    filtered: list[str] | None = None
    known: dict[str, list[str]] = field(default_factory=dict)

    def envelope(self, part: str) -> Sequence[str]:
        return self.envelopes.get(part, [])

    def auth(self, method: str) -> Sequence[tuple[str, str]]:
        return self.proven.get(method, [])

    def scanned(self, name: str) -> Sequence[str] | None:
        return self.filtered

    def limit(self, *, handle: str, key: str, count: int, seconds: int) -> bool:
        self.counted[key] = self.counted.get(key, 0) + 1
        return self.counted[key] > count

    def duplicate(self, *, handle: str, key: str, seconds: int, last: bool) -> bool:
        return key in self.seen

    def mailbox_exists(self, name: str) -> bool:
        return name in self.boxes

    def list_contains(self, name: str, value: str) -> bool:
        return value in self.lists.get(name, set())

    def list_entries(self, name: str) -> Sequence[str]:
        return sorted(self.lists.get(name, set()))

    def environment(self, item: str) -> str | None:
        return self.items.get(item)

    def variable(self, name: str) -> str | None:
        return self.variables.get(name)

    def include(self, location: str, name: str) -> Included | None:
        text = self.scripts.get(name)
        return None if text is None else Included(f"{name}.sieve", text)

    def text(self, path: str) -> str | None:
        return self.texts.get(path)

    def names(self, kind: str) -> Sequence[str] | None:
        return self.known.get(kind)


def run(
    source: str,
    *,
    letter: bytes = LETTER,
    world: World | None = None,
    passed: Passed = Passed(),  # noqa: B008 - frozen
    strict: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Result:
    """Compile and run a script on a letter."""
    around = world or World()
    script = compile_script(source, name="test.sieve", loader=around, strict=strict)
    return script.run(letter, around, passed=passed, limits=limits)


def kinds(result: Result) -> list[str]:
    """Return the kinds of its actions, `keep?` for the implicit one; a fault fails the test."""
    assert result.error is None, result.error
    return ["keep?" if one.implicit else one.kind for one in result.actions]


def holds(test: str, *, letter: bytes = LETTER, world: World | None = None) -> bool:
    """Return whether a test is true of a letter."""
    return kinds(run(f"if {test} {{ discard; }}", letter=letter, world=world)) == ["discard"]
