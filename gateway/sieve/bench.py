"""What stands behind a testsuite script: message, envelope, settings, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from gateway.sieve import outgoing
from gateway.sieve.addresses import parse_mailboxes, parse_path, parse_single
from gateway.sieve.bench_settings import Settings
from gateway.sieve.checker import Language
from gateway.sieve.extensions.actions import is_mailbox_name
from gateway.sieve.interface import (
    Action,
    CompileError,
    Included,
    Outside,
    Passed,
    Result,
)
from gateway.sieve.language import LANGUAGE
from gateway.sieve.mailto import compose_notification, parse_mailto, without
from gateway.sieve.message import Message, edited
from gateway.sieve.outgoing import Outgoing
from gateway.sieve.runtime import Run
from gateway.sieve.script import Script, compile_script

DEFAULT_MESSAGE = (
    b"From: sender@example.com\r\nTo: recipient@example.org\r\nSubject: Frop!\r\n\r\nFriep!\r\n"
)
NAMES = {"fileinto": "store", "ereject": "reject"}  # an action's name in a testsuite

RunChain = Callable[[str, bytes, Outside], Result]


@dataclass(slots=True)
class Stored:
    """A message in a mailbox, with its flags."""

    content: bytes
    flags: tuple[str, ...] = ()


@dataclass(slots=True)
class Bench:
    """The world of one testsuite script; it is the Outside of every script it runs."""

    directory: Path
    run_chain: RunChain | None = None
    language: Language = LANGUAGE
    settings: Settings = field(default_factory=Settings)
    config: dict[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    chain: str = "inbound"
    thread: str = "new"
    content: bytes = DEFAULT_MESSAGE
    envelopes: dict[str, str] = field(default_factory=dict)
    proven: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    counted: dict[tuple[str, str], int] = field(default_factory=dict)
    seen: set[tuple[str, str]] = field(default_factory=set)
    tracked: set[tuple[str, str]] = field(default_factory=set)
    mailboxes: dict[str, list[Stored]] = field(default_factory=lambda: {"INBOX": []})
    sent: list[Outgoing] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    script: Script | None = None
    executed: int = 0
    passed: Passed | None = None  # by the script or chain that ran last
    notified: set[str] = field(default_factory=set)
    stored_flags: tuple[str, ...] = ()

    def envelope(self, part: str) -> Sequence[str]:
        """The values of an envelope part."""
        return [self.envelopes[part]] if part in self.envelopes else []

    def auth(self, method: str) -> Sequence[tuple[str, str]]:
        """What `test_set "auth.METHOD"` said."""
        return self.proven.get(method, [])

    def scanned(self, name: str) -> None:
        """A testsuite believes every header field of its message."""

    def limit(self, *, handle: str, key: str, count: int, seconds: int) -> bool:
        """Whether the key was seen more than `count` times; no time passes here."""
        self.counted[handle, key] = self.counted.get((handle, key), 0) + 1
        return self.counted[handle, key] > count

    def duplicate(self, *, handle: str, key: str, seconds: int, last: bool) -> bool:
        """Whether the key was seen before; it counts once the result was executed."""
        self.tracked.add((handle, key))
        return (handle, key) in self.seen

    def mailbox_exists(self, name: str) -> bool:
        """Whether the mailbox was created."""
        return _mailbox(name) in self.mailboxes

    def list_contains(self, name: str, value: str) -> bool:
        """Whether `lists/NAME.txt` above the script's folder has the value as a line."""
        return value.lower() in self.list_entries(name)

    def list_entries(self, name: str) -> Sequence[str]:
        """The lines of `lists/NAME.txt` above the script's folder, folded."""
        text = (self.text(f"lists/{name.rpartition(':')[2]}.txt") or "").lower()
        return [one for line in text.splitlines() if (one := line.partition("#")[0].strip())]

    def environment(self, item: str) -> str | None:
        """The items of RFC 5183 that are known here."""
        known = {
            "name": "mail gateway",
            "version": "1",
            "location": "MS",
            "phase": "during",
            "domain": "example.com",
            "host": "localhost",
        }
        return known.get(item)

    def variable(self, name: str) -> str | None:
        """The read-only variables, from the message."""
        message = Message(self.content)
        senders = [m for f in message.named(["from"]) for m in parse_mailboxes(f.value)]
        known = {
            "message.subject": next((f.value for f in message.named(["subject"])), ""),
            "message.id": next((f.value for f in message.named(["message-id"])), ""),
            "message.from": senders[0].address if senders else "",
            "message.from_name": senders[0].name if senders else "",
            "tenant.name": "test",
            "conversation.id": "1",
        }
        return known.get(name)

    def include(self, location: str, name: str) -> Included | None:
        """The script of that name: `included/` is personal, `included-global/` is global."""
        folder = "included" if location == "personal" else "included-global"
        text = _read(self.directory / folder / f"{name}.sieve", self.directory / folder)
        return None if text is None else Included(f"{folder}/{name}.sieve", text)

    def text(self, path: str) -> str | None:
        """A file beside the script or above it."""
        for folder in (self.directory, *self.directory.parents[:3]):
            if (found := _read(folder / path, folder)) is not None:
                return found
        return None

    def names(self, kind: str) -> Sequence[str] | None:
        """Any name will do."""
        return None

    def take_message(self, run: Run, content: bytes, *, flags: tuple[str, ...] = ()) -> None:
        """Make `content` the message under test, its envelope taken from its header."""
        self.content = content
        self.stored_flags = flags
        run.start(content)
        run.flags = list(flags)
        message = run.message
        sender = _first(message, ("return-path", "sender", "from")) or "sender@example.com"
        recipient = _first(message, ("envelope-to", "to")) or "recipient@example.com"
        self.envelopes = {"from": sender, "to": recipient, "orig_to": recipient}

    def reset(self, run: Run) -> None:
        """Forget what was asked for and sent; what was stored stays."""
        run.actions.clear()
        run.implicit_keep = True
        run.accepted = False
        run.flags = list(self.stored_flags)
        self.executed = 0
        self.passed = None
        self.sent.clear()
        self.notified.clear()
        self.errors.clear()

    def compile(self, name: str) -> Script | None:
        """Compile a script beside the testsuite script; its errors can be asked for.

        One that is switched off, by `.off` behind its name, has the same tests.
        """
        self.errors.clear()
        path = self.directory / name
        if not path.exists():
            path = self.directory / f"{name}.off"
        try:
            source = path.read_bytes().decode("utf-8-sig")
        except (OSError, ValueError) as error:
            self.errors.append(f"cannot read {name}: {error}")
            return None
        try:
            return compile_script(
                source,
                name=path.name,
                loader=self,
                limits=self.settings.limits,
                strict=True,
                language=self.language,
            )
        except CompileError as error:
            self.errors.extend(one.message for one in error.diagnostics)
            self.errors.append(f"{name}: the script does not compile")
            return None

    def run_script(self, run: Run, script: Script, *, append: bool) -> Result:
        """Run a script on the message under test; what it asks for becomes the result."""
        if not append:
            self.reset(run)
        waiting = tuple(run.actions[self.executed :])
        passed = Passed(actions=waiting, flags=tuple(run.flags))
        result = script.run(
            self.content, self, passed=passed, limits=self.settings.limits, trace=False
        )
        self.take_result(run, result)
        return result

    def take_result(self, run: Run, result: Result) -> None:
        """Add what a script or chain asked for to the result."""
        self.errors = [result.error.message] if result.error else []
        self.passed = result.passed
        for action in result.actions:
            if not action.implicit:
                self._take_action(run, action)
        run.implicit_keep = result.error is not None or any(
            action.implicit for action in result.actions
        )

    def _take_action(self, run: Run, action: Action) -> None:
        """Add an action; after execution, a second one of a kind that goes once is dropped."""
        for at, done in enumerate(run.actions[: self.executed]):
            if done.kind == action.kind and done.target == action.target:
                run.actions[at] = action
                return
        run.actions.append(action)

    def run_in_a_row(self, run: Run, names: Sequence[str]) -> bool:
        """Run scripts one after the other as long as the message is kept, and execute."""
        self.reset(run)
        passed = Passed()
        for name in names:
            script = self.compile(name)
            if script is None:
                return False
            result = script.run(
                self.content, self, passed=passed, limits=self.settings.limits, trace=False
            )
            self.take_result(run, result)
            passed = result.passed
            if result.error or not result.keeps:
                break
        return self.execute(run) and not self.errors

    def execute(self, run: Run) -> bool:
        """Carry out what was asked for since the last time."""
        self.errors.clear()
        if run.implicit_keep and self.passed is not None:  # it keeps the message as it was left
            run.flags = list(self.passed.flags)
            run.start(self.content, edits=self.passed.edits)
        actions = run.finished()
        done = [self._perform(action) for action in actions[self.executed :]]
        self.executed = len(run.actions)
        self.seen |= self.tracked
        if not all(done):  # the implicit keep, without the script's edits (RFC 5228 §2.10.6)
            self.mailboxes["INBOX"].append(Stored(self.content))
        return all(done)

    def names_of(self, run: Run, index: int) -> list[str]:
        """Return the names of the actions, or of the one at `index` from 1."""
        names = [
            "store" if "mailbox" in action.arguments else NAMES.get(action.kind, action.kind)
            for action in run.actions
        ]
        return names[index - 1 : index] if index else names

    def _perform(self, action: Action) -> bool:
        content = self.content if action.content is None else action.content
        content = edited(content, action.edits) if action.edits else content
        match action.kind:
            case "keep":
                self.mailboxes["INBOX"].append(Stored(content, action.flags))
            case "fileinto":
                return self._store(action, content)
            case "redirect":
                self._redirect(action, content)
            case "vacation":
                self._answer(action, Message(content))
            case "reject" | "ereject":
                self._reject(action, Message(content))
            case "notify":
                self._notify(action, Message(content))
        return True

    def _store(self, action: Action, content: bytes) -> bool:
        name = _mailbox(action.target)
        failed = f"failed to store into mailbox '{name}': "
        if not is_mailbox_name(name) or not name.strip("/") or "//" in name:
            self.errors.append(f"{failed}this is not the name of a mailbox")
            return False
        if name not in self.mailboxes and not action.arguments.get("create"):
            self.errors.append(f"{failed}it does not exist")
            return False
        self.mailboxes.setdefault(name, []).append(Stored(content, action.flags))
        return True

    def _redirect(self, action: Action, content: bytes) -> None:
        sender, recipient = self._address("from"), self._address("to")
        by = self.settings.user_email or recipient
        if any(outgoing.is_looping(Message(content), one) for one in (by, recipient)):
            return
        mail_from = self._redirect_sender(sender)
        self.sent.append(outgoing.compose_redirect(content, action, mail_from=mail_from, by=by))

    def _redirect_sender(self, sender: str) -> str:
        wanted = self.settings.redirect_from
        if not sender or wanted == "sender":
            return sender
        if wanted.startswith("<"):
            return wanted.strip("<>")
        if wanted == "user_email" and self.settings.user_email:
            return self.settings.user_email
        return self._address("orig_to" if wanted == "orig_recipient" else "to")

    def _answer(self, action: Action, message: Message) -> None:
        settings = self.settings
        recipients = [settings.user_email or self._address("to")]
        if settings.user_email:
            recipients.append(self._address("to"))
        if settings.original_recipient:
            recipients.append(self._address("orig_to"))
        answering = replace(
            settings.answering, sender=self._address("from"), recipients=tuple(recipients)
        )
        if outgoing.find_silence(message, action, answering=answering) is None:
            found = outgoing.compose_vacation(message, action, answering=answering)
            self.sent.append(found)

    def _reject(self, action: Action, message: Message) -> None:
        sender = self._address("from")
        if sender:
            own = self._address("to")
            self.sent.append(
                outgoing.compose_rejection(message, action, sender=sender, own=own)
            )

    def _notify(self, action: Action, message: Message) -> None:
        if outgoing.is_automatic(message):
            return
        found = parse_mailto(action.target)
        found.to = without(found.to, self.notified)
        found.cc = without(found.cc, self.notified)
        given = action.arguments
        content = compose_notification(
            found,
            sender=given["from"] or "Postmaster <postmaster@example.com>",
            message=given["message"],
            importance=given["importance"],
            automatic=given.get("automatic", "auto-notified"),
        )
        mail_from = self._notify_sender(given["from"])
        for mailbox in (*found.to, *found.cc):
            self.sent.append(
                Outgoing(
                    kind="notify", mail_from=mail_from, rcpt_to=mailbox.address, content=content
                )
            )

    def _notify_sender(self, given: str | None) -> str:
        sender, wanted = self._address("from"), self.settings.notify_from
        if not sender or wanted == "sender":
            return sender
        if wanted == "recipient":
            return self._address("to")
        if wanted == "user_email":
            return self.settings.user_email
        path = parse_single(given) if given else None
        return path.address if path else "postmaster@example.com"

    def _address(self, part: str) -> str:
        path = parse_path(self.envelopes.get(part, ""))
        return path.address if path and path.domain else ""


def _mailbox(name: str) -> str:
    """Return the name with INBOX in upper case, alone or above others (RFC 9051 §5.1)."""
    return "INBOX" + name[5:] if name[:5].upper() == "INBOX" else name


def _first(message: Message, names: Sequence[str]) -> str | None:
    for name in names:
        for value in message.named([name])[:1]:
            for mailbox in value.mailboxes[:1]:
                if mailbox.local and mailbox.domain:
                    return mailbox.address
    return None


def _read(path: Path, folder: Path) -> str | None:
    """Return the text of a file inside `folder`, or None."""
    if not path.resolve().is_relative_to(folder.resolve()):
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return None
